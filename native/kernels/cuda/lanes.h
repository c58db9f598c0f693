// What kernels share: comparisons that keep NaN, sums over the features of a block of rows.
#pragma once

#include <cuda_runtime.h>

#include <cfloat>

#include "kernels/cuda/layout.h"

namespace bulwark::BULWARK_CUDA {

inline constexpr float kLargest = FLT_MAX;
inline constexpr float kInfinity = __builtin_inff();

// These keep a NaN in x: a comparison with NaN is false.
__device__ inline float atMost(float x, float cap) { return x > cap ? cap : x; }
__device__ inline float atLeast(float x, float floor) { return x < floor ? floor : x; }
__device__ inline float clampTo(float x, float floor, float cap) { return atMost(atLeast(x, floor), cap); }
__device__ inline float notANumber() { return __int_as_float(0x7fffffff); }

/// relu(zhat + dz) - relu(zhat), without the cancellation.
__device__ inline float reluChange(float zhat, float dz) {
  return atLeast(dz + atMost(zhat, 0.0f), -atLeast(zhat, 0.0f));
}

/// 1 / x for a multiplier x >= 0, at most the largest number.
__device__ inline float cappedInverse(float x) { return x > 0.0f ? atMost(1.0f / x, kLargest) : kLargest; }

/// Warps of a thread block that share out the features of a block of rows.
inline constexpr int kWarps = 8;
/// Features of one thread block: a function of the operator's width alone, so that a row's sums do not depend
/// on how many rows are in the batch.
inline int featuresPerPart(int features) { return features <= 2048 ? 64 : 256; }
inline int partsOf(int features) {
  return divideUp(static_cast<size_t>(features), featuresPerPart(features));
}

/// In a thread block of rows x N threads: the sum of what a row's N threads have, in each of them.
template <int rows>
__device__ inline double sumOfRow(double mine, double (*shared)[rows]) {
  shared[threadIdx.y][threadIdx.x] = mine;
  __syncthreads();
  double sum = 0.0;
  for (unsigned each = 0; each < blockDim.y; ++each) sum += shared[each][threadIdx.x];
  __syncthreads();
  return sum;
}

}  // namespace bulwark::BULWARK_CUDA
