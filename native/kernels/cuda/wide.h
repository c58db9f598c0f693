// Thread blocks that keep 32 rows to themselves.
#pragma once

#include <algorithm>

#include "kernels/cuda/lanes.h"

namespace bulwark::BULWARK_CUDA {

inline constexpr int kWideWarps = 32;
inline constexpr int kWideThreads = kWideWarps * kLanes;

/// As many warps as there is work for: a function of the width alone, so that a row's sums are, too.
inline dim3 wideThreads(int features) {
  return dim3(kLanes, std::clamp(divideUp(static_cast<size_t>(features), 8), 1, kWideWarps));
}

/// A thread's entries of its row: one feature of every blockDim.y.
struct WideWalk {
  __device__ explicit WideWalk(int count)
      : row(static_cast<size_t>(blockIdx.x) * kLanes + threadIdx.x),
        at((static_cast<size_t>(blockIdx.x) * count + threadIdx.y) * kLanes + threadIdx.x),
        feature(static_cast<int>(threadIdx.y)),
        features(count) {}
  __device__ bool here() const { return feature < features; }
  __device__ void next() {
    feature += static_cast<int>(blockDim.y);
    at += static_cast<size_t>(blockDim.y) * kLanes;
  }
  size_t row, at;
  int feature, features;
};

}  // namespace bulwark::BULWARK_CUDA
