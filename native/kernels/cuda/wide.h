// Thread blocks that keep some rows to themselves.
//
// Eight of them: 32 bytes, the least that caches and memory move, so nothing is fetched in vain although a
// warp then reads from four lines. With the 32 rows of a whole line the thread blocks would be too few: 1,800
// rows are 57 of 32 rows, and an H100 has 132 multiprocessors.
#pragma once

#include <algorithm>

#include "kernels/cuda/lanes.h"

namespace bulwark::BULWARK_CUDA {

inline constexpr int kWideRows = 8, kMostSharers = 32;
inline constexpr int kWideThreads = kWideRows * kMostSharers;

/// As many threads share a row as there is work for: a function of the width alone, so that a row's sums are,
/// too.
inline dim3 wideThreads(int features) {
  return dim3(kWideRows, std::clamp(divideUp(static_cast<size_t>(features), 8), 1, kMostSharers));
}
inline dim3 wideGrid(View view) { return dim3(view.blocks * (kLanes / kWideRows)); }

/// For sums over a row's threads.
template <typename Number>
using WideShared = Number[kMostSharers][kWideRows];

/// A thread's entries of its row: one feature of every blockDim.y.
struct WideWalk {
  __device__ explicit WideWalk(int count)
      : row(static_cast<size_t>(blockIdx.x) * kWideRows + threadIdx.x),
        at((row / kLanes * count + threadIdx.y) * kLanes + row % kLanes),
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
