// Denormal numbers count as zero while one of these lives, on this thread.
//
// Weights of neurons that no image reaches any more shrink under weight decay until they are denormal, and
// products with them take a hundred times as long: training would slow down the longer it runs. What is lost
// lies below 1e-38. Only for training: bounds and proofs count on gradual underflow.
#pragma once

#if defined(__SSE__) || defined(__x86_64__)
#include <xmmintrin.h>
#elif defined(__aarch64__)
#include <cstdint>
#endif

namespace bulwark {

class FlushToZero {
 public:
#if defined(__SSE__) || defined(__x86_64__)
  FlushToZero() : before_(_mm_getcsr()) { _mm_setcsr(before_ | kFlush); }
  ~FlushToZero() { _mm_setcsr(before_); }
#elif defined(__aarch64__)
  FlushToZero() : before_(mode()) { setMode(before_ | kFlush); }
  ~FlushToZero() { setMode(before_); }
#else
  FlushToZero() = default;
#endif
  FlushToZero(const FlushToZero&) = delete;
  FlushToZero& operator=(const FlushToZero&) = delete;

 private:
#if defined(__SSE__) || defined(__x86_64__)
  static constexpr unsigned kFlush = 0x8040;  // results and operands
  unsigned before_;
#elif defined(__aarch64__)
  static constexpr uint64_t kFlush = uint64_t{1} << 24;
  static uint64_t mode() {
    uint64_t value;
    asm volatile("mrs %0, fpcr" : "=r"(value));
    return value;
  }
  static void setMode(uint64_t value) { asm volatile("msr fpcr, %0" : : "r"(value)); }
  uint64_t before_;
#endif
};

}  // namespace bulwark
