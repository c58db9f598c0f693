// Memory that `CpuDense` keeps between calls: aligned for the register tiles, grows, never shrinks.
#pragma once

#include <cstddef>
#include <new>

namespace bulwark {

class DenseScratch {
 public:
  DenseScratch() = default;
  ~DenseScratch() { release(); }
  DenseScratch(const DenseScratch&) = delete;
  DenseScratch& operator=(const DenseScratch&) = delete;

  /// At least `count` floats; what they held is lost.
  float* floats(size_t count) {
    if (count > count_) {
      release();
      data_ = static_cast<float*>(::operator new(count * sizeof(float), kAlignment));
      count_ = count;
    }
    return data_;
  }

 private:
  static constexpr std::align_val_t kAlignment{64};

  void release() {
    ::operator delete(data_, kAlignment);
    data_ = nullptr;
    count_ = 0;
  }

  float* data_ = nullptr;
  size_t count_ = 0;
};

}  // namespace bulwark
