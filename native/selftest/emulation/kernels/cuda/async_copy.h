// The emulation's version of kernels/cuda/async_copy.h: nothing arrives before the thread that started a copy
// waits for it, and until then its destination holds NaN.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <deque>
#include <limits>
#include <vector>

#include "kernels/cuda/layout.h"

namespace bulwark::BULWARK_CUDA {

class AsyncCopies {
 public:
  void start(float* to, const float* from, bool present) {
    const auto aligned = [](const float* at) { return reinterpret_cast<uintptr_t>(at) % 16 == 0; };
    if (!aligned(to) || (present && !aligned(from))) emulation::refuse("16 bytes that are not aligned to 16");
    for (int i = 0; i < 4; ++i) to[i] = std::numeric_limits<float>::quiet_NaN();
    open_.push_back({to, present ? from : nullptr});
  }
  void commit() {
    groups_.push_back(std::move(open_));
    open_.clear();
  }
  template <int underWay>
  void wait() {
    for (; groups_.size() > underWay; groups_.pop_front())
      for (const Copy& copy : groups_.front())
        for (int i = 0; i < 4; ++i) copy.to[i] = copy.from ? copy.from[i] : 0.0f;
  }

 private:
  struct Copy {
    float* to;
    const float* from;
  };
  std::vector<Copy> open_;
  std::deque<std::vector<Copy>> groups_;
};

}  // namespace bulwark::BULWARK_CUDA
