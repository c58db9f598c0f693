// min a^T dx over the region with its minimiser, and sums over single rows.
//
// The input is the narrowest layer of most networks, and what happens here repeats itself until a multiplier
// settles. So one thread block keeps a few rows from beginning to end (wide.h): no trips to other kernels
// between the rounds, and from the second round on a, lower and upper come from the caches.
#include "kernels/cuda/input.h"
#include "kernels/cuda/wide.h"

namespace bulwark::BULWARK_CUDA {
namespace {

__global__ void __launch_bounds__(kWideThreads)
    productSums(const float* a, const float* b, int features, bool root, float* out) {
  __shared__ WideShared<double> shared;
  float sum = 0.0f;
  WideWalk walk(features);
  for (; walk.here(); walk.next()) sum += a[walk.at] * b[walk.at];
  const double total = sumOfRow(sum, shared);
  if (threadIdx.y == 0) out[walk.row] = static_cast<float>(root ? sqrt(total) : total);
}

struct Region {
  const float *lower, *upper, *eps;
  const float* still;
  float* lambda;
};

__global__ void __launch_bounds__(kWideThreads)
    boxInput(Region region, const float* a, int features, float* dx, double* value) {
  __shared__ WideShared<double> shared;
  float sum = 0.0f;
  WideWalk walk(features);
  for (; walk.here(); walk.next()) {
    const float slope = a[walk.at], lower = region.lower[walk.at], upper = region.upper[walk.at];
    const float point = lower <= upper ? (slope > 0.0f ? lower : upper) : notANumber();
    dx[walk.at] = point;
    sum += slope * point;
  }
  const double total = sumOfRow(sum, shared);
  if (threadIdx.y == 0) value[walk.row] = total;
}

__global__ void __launch_bounds__(kWideThreads)
    l2Input(Region region, const float* a, int features, float* dx, double* value) {
  __shared__ WideShared<double> shared;
  float sum = 0.0f;
  WideWalk walk(features);
  for (; walk.here(); walk.next()) sum += a[walk.at] * a[walk.at];
  const double norm = sqrt(sumOfRow(sum, shared)), eps = region.eps[walk.row];
  if (threadIdx.y == 0) value[walk.row] = -eps * norm;
  const float factor = norm == 0.0 ? 0.0f : static_cast<float>(-eps / norm);
  for (WideWalk again(features); again.here(); again.next()) dx[again.at] = factor * a[again.at];
}

/// The first of the largest entries takes all of the ball.
__global__ void __launch_bounds__(kWideThreads)
    l1Input(Region region, const float* a, int features, float* dx, double* value) {
  __shared__ WideShared<float> sizes;
  __shared__ WideShared<int> places;
  float largest = -1.0f, poison = 0.0f;
  int where = 0;
  WideWalk walk(features);
  for (; walk.here(); walk.next()) {
    const float slope = a[walk.at], size = fabsf(slope);
    if (size > largest) {
      largest = size;
      where = walk.feature;
    }
    if (!(slope == slope)) poison = slope;
  }
  sizes[threadIdx.y][threadIdx.x] = poison == poison ? largest : poison;
  places[threadIdx.y][threadIdx.x] = where;
  __syncthreads();
  largest = -1.0f;
  poison = 0.0f;
  for (unsigned each = 0; each < blockDim.y; ++each) {
    const float size = sizes[each][threadIdx.x];
    const int place = places[each][threadIdx.x];
    if (size > largest || (size == largest && place < where)) {
      largest = size;
      where = place;
    }
    if (!(size == size)) poison = size;
  }
  const float eps = region.eps[walk.row];
  for (WideWalk again(features); again.here(); again.next()) {
    const float slope = a[again.at];
    const float point = slope > 0.0f ? -eps : (slope < 0.0f ? eps : 0.0f);
    dx[again.at] = again.feature == where ? point : 0.0f;
  }
  if (threadIdx.y == 0) value[walk.row] = poison - static_cast<double>(eps) * largest;
}

/// At multiplier lambda the minimiser of a dx + lambda / 2 dx^2 over the box is a clipped line; the
/// multiplier takes `steps` Newton steps on the pieces where it lies (see kernels/cpu/input.inl).
__global__ void __launch_bounds__(kWideThreads)
    clippedL2Input(Region region, const float* a, int features, int steps, float* dx, double* value) {
  __shared__ WideShared<double> shared;
  WideWalk walk(features);
  const size_t row = walk.row;
  const float eps = region.eps[row];
  float lambda = region.lambda[row];
  const bool still = region.still && region.still[row] != 0.0f;
  double all = 0.0;
  if (steps > 0) {
    float sum = 0.0f;
    for (; walk.here(); walk.next()) sum += a[walk.at] * a[walk.at];
    all = sumOfRow(sum, shared);
    if (!still && lambda == 0.0f && eps > 0.0f) lambda = static_cast<float>(sqrt(all) / eps);
  }
  for (int step = 0; step < steps; ++step) {
    const float inverse = cappedInverse(lambda);
    float onLine = 0.0f, atEnds = 0.0f;
    for (WideWalk each(features); each.here(); each.next()) {
      const float slope = a[each.at], stationary = -slope * inverse;
      const float point = clampTo(stationary, region.lower[each.at], region.upper[each.at]);
      const bool clipped = point != stationary;
      onLine += clipped ? 0.0f : slope * slope;
      atEnds += clipped ? point * point : 0.0f;
    }
    const double line = sumOfRow(onLine, shared);
    const double ends = sumOfRow(atEnds, shared);
    const double ball = static_cast<double>(eps) * eps, room = ball - ends, now = lambda;
    if (still) {
      // Its last evaluation is repeated.
    } else if (room > 0.0) {
      lambda = static_cast<float>(sqrt(line / room));
    } else if (ball > 0.0 && now > 0.0) {
      // Below the root: so is the fixed point, and ||a|| / eps is above it; half way in the logarithm.
      const double below = now * sqrt((ends + line / (now * now)) / ball), above = sqrt(all / ball);
      lambda = static_cast<float>(sqrt(below * above));
    }
  }
  const float half = 0.5f * lambda, inverse = cappedInverse(lambda);
  float sum = 0.0f;
  for (WideWalk each(features); each.here(); each.next()) {
    const float slope = a[each.at], lower = region.lower[each.at], upper = region.upper[each.at];
    float point = eps == 0.0f ? 0.0f : clampTo(-slope * inverse, lower, upper);
    point = lower <= upper ? point : notANumber();
    dx[each.at] = point;
    sum += (slope + half * point) * point;
  }
  const double total = sumOfRow(sum, shared), radius = eps;
  if (threadIdx.y != 0) return;
  value[row] = total - 0.5 * lambda * radius * radius;
  region.lambda[row] = lambda;
}

/// A fractional knapsack: a unit of |dx| spent on a feature gains |a|, up to the box; the budget is eps. The
/// gain of the last feature that gets any is found bit by bit (floats >= 0 are ordered as their bits are);
/// features that tie at it share what is left in proportion to their room.
__global__ void __launch_bounds__(kWideThreads)
    clippedL1Input(Region region, const float* a, int features, float* dx, double* value) {
  __shared__ WideShared<double> shared;
  WideWalk start(features);
  const double budget = region.eps[start.row];
  double broken = 0.0;
  for (; start.here(); start.next()) {
    const float slope = a[start.at];
    if (!(slope == slope) || !(region.lower[start.at] <= region.upper[start.at])) broken = 1.0;
  }
  broken = sumOfRow(broken, shared);
  const auto roomOf = [&](size_t at, float slope) {
    return slope > 0.0f ? -static_cast<double>(region.lower[at]) : static_cast<double>(region.upper[at]);
  };
  // The largest gain at which all features that gain as much have room for the budget; 0 where none is.
  int bits = 0;
  for (int bit = 30; bit >= 0; --bit) {
    const int tried = bits | (1 << bit);
    const float gain = __int_as_float(tried);
    double room = 0.0;
    for (WideWalk each(features); each.here(); each.next()) {
      const float slope = a[each.at];
      if (fabsf(slope) >= gain) room += roomOf(each.at, slope);
    }
    room = sumOfRow(room, shared);
    if (room >= budget) bits = tried;
  }
  const float last = __int_as_float(bits);
  double above = 0.0, ties = 0.0;
  for (WideWalk each(features); each.here(); each.next()) {
    const float slope = a[each.at], gain = fabsf(slope);
    if (gain > last) above += roomOf(each.at, slope);
    if (gain == last && gain > 0.0f) ties += roomOf(each.at, slope);
  }
  above = sumOfRow(above, shared);
  ties = sumOfRow(ties, shared);
  const double share = ties > 0.0 ? (budget - above < ties ? (budget - above) / ties : 1.0) : 0.0;
  double sum = 0.0;
  for (WideWalk each(features); each.here(); each.next()) {
    const float slope = a[each.at], gain = fabsf(slope);
    const double part = gain > last ? 1.0 : (gain == last && gain > 0.0f ? share : 0.0);
    const double spent = part * roomOf(each.at, slope);
    dx[each.at] = static_cast<float>(slope > 0.0f ? -spent : spent);
    sum -= spent * gain;
  }
  sum = sumOfRow(sum, shared);
  if (threadIdx.y == 0) value[start.row] = broken > 0.0 || !(budget >= 0.0) ? notANumber() : sum;
}

}  // namespace

void norm2(Stream& stream, View in, Rows out) {
  launch(stream.get(), productSums, wideGrid(in), wideThreads(in.features), in.data, in.data, in.features,
         true, out.data);
}

void dot(Stream& stream, View a, View b, Rows value) {
  launch(stream.get(), productSums, wideGrid(a), wideThreads(a.features), a.data, b.data, a.features, false,
         value.data);
}

void inputDual(Stream& stream, const InputRegion& region, View a, int steps, View dx, Sums value) {
  const Region arrays{region.lower.data, region.upper.data, region.eps.data, region.still.data,
                      region.lambda.data};
  if (region.kind == InputKind::l2 && region.clipped) {
    launch(stream.get(), clippedL2Input, wideGrid(a), wideThreads(a.features), arrays, a.data, a.features,
           steps, dx.data, value.data);
    return;
  }
  const auto kernel = region.kind == InputKind::box  ? boxInput
                      : region.kind == InputKind::l2 ? l2Input
                      : region.clipped               ? clippedL1Input
                                                     : l1Input;
  launch(stream.get(), kernel, wideGrid(a), wideThreads(a.features), arrays, a.data, a.features, dx.data,
         value.data);
}

}  // namespace bulwark::BULWARK_CUDA
