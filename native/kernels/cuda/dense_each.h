// A thread for every entry, and where entries of strided operands lie.
#pragma once

#include "kernels/cuda/launch.h"
#include "kernels/dense.h"

namespace bulwark::BULWARK_CUDA::dense {

inline constexpr int kThreads = 256;

template <typename Operation>
__global__ void eachEntry(Operation operation, size_t count) {
  const size_t at = static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (at < count) operation(at);
}

/// operation(i) for every i below count, in any order.
template <typename Operation>
void forEach(cudaStream_t stream, size_t count, Operation operation) {
  launch(stream, eachEntry<Operation>, divideUp(count, kThreads), kThreads, operation, count);
}

/// Some axes of a loop: places are counted row-major over them, and each lies somewhere in two operands.
struct Axes {
  int rank = 0;
  int dims[kMaxRank] = {};
  long long steps[2][kMaxRank] = {};

  void add(int dim, long long first, long long second) {
    dims[rank] = dim;
    steps[0][rank] = first;
    steps[1][rank++] = second;
  }
  size_t count() const {
    size_t product = 1;
    for (int axis = 0; axis < rank; ++axis) product *= static_cast<size_t>(dims[axis]);
    return product;
  }
};

struct Place {
  size_t first, second;
};

__device__ inline Place placeOf(const Axes& axes, size_t at) {
  Place place{0, 0};
  for (int axis = axes.rank - 1; axis >= 0; --axis) {
    size_t step = at;
    if (axis > 0) {
      const size_t dim = static_cast<size_t>(axes.dims[axis]);
      step = at % dim;
      at /= dim;
    }
    place.first += step * static_cast<size_t>(axes.steps[0][axis]);
    place.second += step * static_cast<size_t>(axes.steps[1][axis]);
  }
  return place;
}

/// x after a step of an attack along `gradient`.
__device__ inline float steppedAlong(const SignStep& s, float gradient, float centre, float x) {
  const float moved = x + (gradient > 0 ? s.step : (gradient < 0 ? -s.step : 0.0f));
  const float least = centre - s.radius < s.low ? s.low : centre - s.radius;
  const float most = centre + s.radius > s.high ? s.high : centre + s.radius;
  const float above = moved < least ? least : moved;
  return above > most ? most : above;
}

}  // namespace bulwark::BULWARK_CUDA::dense
