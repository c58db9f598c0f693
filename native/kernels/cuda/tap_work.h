// What the kernels of tap_kernel.h have in common: which tile of outputs a block of threads makes, and
// vectors.
#pragma once

#include "kernels/cuda/tap_kernel.h"

namespace bulwark::BULWARK_CUDA {

/// The tile of a block of threads: outputs from `output` on of a group, positions (pixel and block of the
/// batch) from `position` on of a class.
struct Work {
  TapClass pixels;
  int group, output, position;
};

/// T::kOutputs x T::kPositions are the size of a tile.
template <class T>
__device__ Work findWork(const TapCall& call) {
  // Tiles of the same columns are neighbours, so that the second cache still has their inputs.
  int tile = static_cast<int>(blockIdx.x);
  const int outputTile = tile % call.outputTiles;
  tile /= call.outputTiles;
  const int group = tile % call.groups;
  tile /= call.groups;
  for (int index = 0;; ++index) {
    const TapClass pixels = call.classes[index];
    const int tiles = (pixels.pixels * call.blocks + T::kPositions - 1) / T::kPositions;
    if (tile < tiles || index + 1 == call.classCount)
      return {pixels, group, outputTile * T::kOutputs, tile * T::kPositions};
    tile -= tiles;
  }
}

/// The tile's outputs in memory: null past the last column.
__device__ __forceinline__ float* outputsOf(const TapCall& call, const Work& work, int column) {
  const int position = work.position + column / kLanes;
  const int block = position / work.pixels.pixels, pixel = position % work.pixels.pixels;
  if (block >= call.blocks) return nullptr;
  return call.out + block * call.outBlock + __ldg(call.places + work.pixels.places + pixel) +
         static_cast<size_t>(work.group * call.groupStride + work.output) * kLanes + column % kLanes;
}

template <int count>
__device__ __forceinline__ void loadVector(const float* from, float* to) {
  if constexpr (count == 4) {
    const float4 four = *reinterpret_cast<const float4*>(from);
    to[0] = four.x, to[1] = four.y, to[2] = four.z, to[3] = four.w;
  } else {
    const float2 two = *reinterpret_cast<const float2*>(from);
    to[0] = two.x, to[1] = two.y;
  }
}

template <int count>
__device__ __forceinline__ void storeVector(const float* from, float* to, bool accumulate) {
  float sum[count];
#pragma unroll
  for (int i = 0; i < count; ++i) sum[i] = from[i];
  if (accumulate) {
    float before[count];
    loadVector<count>(to, before);
#pragma unroll
    for (int i = 0; i < count; ++i) sum[i] += before[i];
  }
  if constexpr (count == 4) {
    *reinterpret_cast<float4*>(to) = make_float4(sum[0], sum[1], sum[2], sum[3]);
  } else {
    *reinterpret_cast<float2*>(to) = make_float2(sum[0], sum[1]);
  }
}

}  // namespace bulwark::BULWARK_CUDA
