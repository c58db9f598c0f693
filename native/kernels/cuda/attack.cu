// The attack's step: descent, then the nearest point of the region (see kernels/cpu/attack.inl).
//
// The projections are searches for one number per row, so here too a thread block keeps its rows to itself
// (see input.cu). The rounds are as many as the slowest row could need: threads of a block must meet
// at barriers, and a row that is done changes no more.
#include "kernels/cuda/attack.h"
#include "kernels/cuda/wide.h"

namespace bulwark::BULWARK_CUDA {
namespace {

constexpr int kRounds = 12;    // of Newton's method
constexpr int kHalvings = 24;  // of bisection

__global__ void __launch_bounds__(kWideThreads)
    keepBetter(const float* value, const float* x, float* best, float* kept, int features) {
  WideWalk walk(features);
  const float now = value[walk.row], before = best[walk.row];
  __syncthreads();  // all have read what the first of a row's threads overwrites
  if (!(now < before)) return;
  if (threadIdx.y == 0) best[walk.row] = now;
  for (; walk.here(); walk.next()) kept[walk.at] = x[walk.at];
}

struct Bounds {
  const float *lower, *upper;  // null: none
};

/// True where descent along `slope` would only push a coordinate further against the bound it is at.
__device__ inline bool blocked(Bounds bounds, size_t at, float slope, float dx) {
  return bounds.lower &&
         ((slope > 0.0f && dx <= bounds.lower[at]) || (slope < 0.0f && dx >= bounds.upper[at]));
}

__global__ void __launch_bounds__(kWideThreads)
    boxDescent(Bounds bounds, const float* gradient, float step, float* dx, int features) {
  for (WideWalk walk(features); walk.here(); walk.next()) {
    const float slope = gradient[walk.at], lower = bounds.lower[walk.at], upper = bounds.upper[walk.at];
    const float move = 0.5f * step * (upper - lower);
    const float moved = dx[walk.at] + (slope > 0.0f ? -move : (slope < 0.0f ? move : 0.0f));
    dx[walk.at] = clampTo(moved, lower, upper);
  }
}

/// The largest that a row's threads have, in each of them.
__device__ float largestOfRow(float mine, double (*shared)[kWideRows]) {
  shared[threadIdx.y][threadIdx.x] = mine;
  __syncthreads();
  float largest = 0.0f;
  for (unsigned each = 0; each < blockDim.y; ++each)
    largest = atLeast(static_cast<float>(shared[each][threadIdx.x]), largest);
  __syncthreads();
  return largest;
}

/// The projection onto ball and box is clip(t y, box) for one t per row; t^2 is the root of a concave
/// increasing piecewise linear function, from the left.
__device__ void projectL2(Bounds bounds, float eps, float squares, float* dx, int features,
                          double (*shared)[kWideRows]) {
  const float room = eps * eps;
  float shrink = squares > room ? room / squares : 1.0f;
  for (int round = 0; bounds.lower && round < kRounds; ++round) {
    float clippedSum = 0.0f, freeSum = 0.0f;
    for (WideWalk walk(features); walk.here(); walk.next()) {
      const float y = dx[walk.at], bound = y > 0.0f ? bounds.upper[walk.at] : bounds.lower[walk.at];
      const float square = y * y, scaled = shrink * square, reach = bound * bound;
      clippedSum += scaled < reach ? scaled : reach;
      freeSum += scaled < reach ? square : 0.0f;
    }
    const float sum = static_cast<float>(sumOfRow(clippedSum, shared));
    const float slope = static_cast<float>(sumOfRow(freeSum, shared));
    if (shrink < 1.0f && sum < 0.999f * room)
      shrink = slope > 0.0f ? atMost(shrink + (room - sum) / slope, 1.0f) : 1.0f;
  }
  const float t = sqrtf(shrink);
  for (WideWalk walk(features); walk.here(); walk.next()) {
    const float x = t * dx[walk.at];
    dx[walk.at] = bounds.lower ? clampTo(x, bounds.lower[walk.at], bounds.upper[walk.at]) : x;
  }
}

/// |y| less the threshold, at most the bound on y's side.
__device__ inline float shrunk(Bounds bounds, size_t at, float y, float threshold) {
  const float size = atLeast(fabsf(y) - threshold, 0.0f);
  return bounds.lower ? atMost(size, y > 0.0f ? bounds.upper[at] : -bounds.lower[at]) : size;
}

/// The projection onto ball and box is clip(soft(y, threshold)), its 1-norm falling in the threshold:
/// bisection, keeping the end that is inside the ball.
__device__ void projectL1(Bounds bounds, float eps, float largest, float* dx, int features,
                          double (*shared)[kWideRows]) {
  float outside = 0.0f, inside = largest;
  for (int round = 0; round <= kHalvings; ++round) {
    const float threshold = round == 0 ? 0.0f : 0.5f * (outside + inside);
    float size = 0.0f;
    for (WideWalk walk(features); walk.here(); walk.next())
      size += shrunk(bounds, walk.at, dx[walk.at], threshold);
    const bool fits = static_cast<float>(sumOfRow(size, shared)) <= eps;
    inside = fits ? threshold : inside;
    outside = fits ? outside : threshold;
  }
  for (WideWalk walk(features); walk.here(); walk.next()) {
    const float y = dx[walk.at], size = shrunk(bounds, walk.at, y, inside);
    dx[walk.at] = y > 0.0f ? size : -size;
  }
}

template <bool l1>
__global__ void __launch_bounds__(kWideThreads) ballDescent(Bounds bounds, const float* gradient, float step,
                                                            const float* radius, float* dx, int features) {
  __shared__ WideShared<double> shared;
  WideWalk start(features);
  const float eps = radius[start.row];
  float largest = 0.0f, squares = 0.0f;
  for (; start.here(); start.next()) {
    float slope = gradient[start.at];
    if (blocked(bounds, start.at, slope, dx[start.at])) slope = 0.0f;
    largest = atLeast(largest, fabsf(slope));
    squares += slope * slope;
  }
  const float norm =
      l1 ? largestOfRow(largest, shared) : sqrtf(static_cast<float>(sumOfRow(squares, shared)));
  const float scale = norm > 0.0f ? atMost(step * eps / norm, kLargest) : 0.0f;
  // Only blocked entries can be larger than the norm; capped, they do not drown the others in the projection.
  const float most = step * eps;
  largest = squares = 0.0f;
  for (WideWalk walk(features); walk.here(); walk.next()) {
    const float moved = dx[walk.at] - clampTo(scale * gradient[walk.at], -most, most);
    dx[walk.at] = moved;
    largest = atLeast(largest, fabsf(moved));
    squares += moved * moved;
  }
  if (l1) {
    projectL1(bounds, eps, largestOfRow(largest, shared), dx, features, shared);
  } else {
    projectL2(bounds, eps, static_cast<float>(sumOfRow(squares, shared)), dx, features, shared);
  }
}

}  // namespace

void keepBest(Stream& stream, Rows value, View x, Rows best, View kept) {
  launch(stream.get(), keepBetter, wideGrid(x), wideThreads(x.features), value.data, x.data, best.data,
         kept.data, x.features);
}

void descend(Stream& stream, const InputRegion& region, View gradient, float step, View dx) {
  const bool box = region.kind == InputKind::box;
  const Bounds bounds = box || region.clipped ? Bounds{region.lower.data, region.upper.data} : Bounds{};
  if (box) {
    launch(stream.get(), boxDescent, wideGrid(dx), wideThreads(dx.features), bounds, gradient.data, step,
           dx.data, dx.features);
  } else {
    launch(stream.get(), region.kind == InputKind::l1 ? ballDescent<true> : ballDescent<false>, wideGrid(dx),
           wideThreads(dx.features), bounds, gradient.data, step, region.eps.data, dx.data, dx.features);
  }
}

}  // namespace bulwark::BULWARK_CUDA
