// One ReLU layer of the dual: the closed form of phi (see kernels/cpu/relu.inl for the algebra), the sums of
// each row, and the Adam step of the slopes.
//
// Bound by memory: five arrays in, two out. So all of it is one pass, a thread works on one row and every
// eighth feature of its part, what belongs to the row is read once, and all five loads of a feature are
// under way before anything is computed. Row sums are added in double over the warps of a thread block, then
// over the parts by a second kernel: no atomics, so a row's sums have one order whatever else is in the
// batch.
#include "kernels/cuda/lanes.h"
#include "kernels/cuda/relu.h"
#include "kernels/split_loss.h"

namespace bulwark::BULWARK_CUDA {
namespace {

/// The slope that turns c into v where the rule is `box`.
__device__ inline float boxSlope(float zhat, float lower, float upper, float c, float chosen) {
  const float l = zhat + lower, u = zhat + upper;
  float slope = c < 0.0f ? u / (u - l) : chosen;
  slope = u <= 0.0f ? 0.0f : slope;
  return l >= 0.0f ? 1.0f : slope;
}

/// Whether a neuron's slope is the box rule's: always under it; under `free` in rows without a ball, but
/// where the box ends at the kink (one side of a split).
template <bool free>
__device__ inline bool followsBox(bool boxed, float zhat, float lower, float upper) {
  return !free || (boxed && zhat + lower != 0.0f && zhat + upper != 0.0f);
}

/// The slope that turns c into v.
template <bool free>
__device__ inline float slopeInEffect(bool boxed, float zhat, float lower, float upper, float c,
                                      float chosen) {
  return followsBox<free>(boxed, zhat, lower, upper) ? boxSlope(zhat, lower, upper, c, chosen) : chosen;
}

struct Arrays {
  const float *zhat, *lower, *upper;
  float* slope;
  const float *lambda, *payment;
};

Arrays arraysOf(const ReluLayer& layer) {
  return {layer.zhat.data,  layer.lower.data,  layer.upper.data,
          layer.slope.data, layer.lambda.data, layer.payment.data};
}

/// Where a thread's features lie: every kWarps-th of its part.
struct Walk {
  __device__ Walk(int features, int perPart) : row(static_cast<size_t>(blockIdx.y) * kLanes + threadIdx.x) {
    const int first = static_cast<int>(blockIdx.x) * perPart + static_cast<int>(threadIdx.y);
    end = min(features, static_cast<int>(blockIdx.x + 1) * perPart);
    feature = first;
    at = (static_cast<size_t>(blockIdx.y) * features + first) * kLanes + threadIdx.x;
  }
  __device__ bool here() const { return feature < end; }
  __device__ void next() {
    feature += kWarps;
    at += kWarps * kLanes;
  }
  size_t row, at;
  int feature, end;
};

dim3 partsGrid(View view) { return dim3(partsOf(view.features), view.blocks); }
dim3 partThreads() { return dim3(kLanes, kWarps); }

template <bool free>
__global__ void freshSlopes(Arrays layer, const float* c, const uint8_t* fresh, int features, int perPart) {
  Walk walk(features, perPart);
  if (!fresh[walk.row]) return;
  for (; walk.here(); walk.next()) {
    const float zhat = layer.zhat[walk.at], lower = layer.lower[walk.at], upper = layer.upper[walk.at];
    // Under `box` the slope array holds the choice for c >= 0; the chord is computed where it is used.
    const float sign = free ? c[walk.at] : 0.0f;
    const float choice = zhat + upper > -(zhat + lower) ? 1.0f : 0.0f;
    layer.slope[walk.at] = boxSlope(zhat, lower, upper, sign, choice);
  }
}

/// What a layer sums per row.
enum Sum { kValue, kSquare, kPassed, kSums };

template <bool free, bool boundless, bool pays>
__global__ void __launch_bounds__(kLanes* kWarps)
    dualPart(Arrays layer, const float* c, float* v, float* dz, int features, int perPart, double* partials) {
  __shared__ double shared[kWarps][kLanes];
  Walk walk(features, perPart);
  const float lambda = layer.lambda[walk.row], payment = pays ? layer.payment[walk.row] : 0.0f;
  const bool boxed = lambda == 0.0f;
  const float half = 0.5f * lambda, inverse = cappedInverse(lambda);
  // With lambda = 0 a huge factor sends the stationary point to an end of its interval, and 0 to 0.
  const float leftHalf = pays ? 0.5f * (lambda + payment) : half;
  const float leftInverse = pays ? cappedInverse(lambda + payment) : inverse;
  float sum = 0.0f, square = 0.0f, passed = 0.0f;
  for (; walk.here(); walk.next()) {
    const float zhat = layer.zhat[walk.at], gain = c[walk.at], lower = layer.lower[walk.at];
    const float upper = layer.upper[walk.at], chosen = layer.slope[walk.at];
    const float slope = slopeInEffect<free>(boxed, zhat, lower, upper, gain, chosen);
    const float signal = slope * gain;

    const float under = atMost(zhat, 0.0f), over = atLeast(zhat, 0.0f);
    const float paid = payment * under;
    const float floor = boundless ? -zhat : atLeast(lower, -zhat);
    const float cap = boundless ? -zhat : atMost(upper, -zhat);
    const float tilt = pays ? gain - signal - paid : gain - signal;
    const float right = boundless ? atLeast(-tilt * inverse, floor) : clampTo(-tilt * inverse, floor, upper);
    const float left =
        boundless ? atMost(signal * leftInverse, cap) : clampTo(signal * leftInverse, lower, cap);
    float phi = (tilt + half * right) * right + gain * under;
    float other = (leftHalf * left - signal) * left - gain * over;
    if (pays) {
      phi -= 0.5f * paid * under;
      other -= 0.5f * payment * over * over;
    }
    // One side is empty where the box does not reach the kink; the side of dz = 0 never is.
    const bool pick = boundless ? other < phi : floor > upper || (other < phi && !(lower > cap));
    const float point = pick ? left : right;
    phi = pick ? other : phi;
    if (!boundless && !(lower <= upper)) phi = notANumber();
    v[walk.at] = signal;
    dz[walk.at] = point;
    sum += phi;
    square += point * point;
    if (pays) {
      const float change = reluChange(zhat, point);
      passed += change * change;
    }
  }
  const float mine[kSums] = {sum, square, passed};
  for (int which = 0; which < (pays ? kSums : kPassed); ++which) {
    const double total = sumOfRow(mine[which], shared);
    if (threadIdx.y == 0)
      partials[((static_cast<size_t>(which) * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x) * kLanes +
               threadIdx.x] = total;
  }
}

/// Adds the parts of a block's rows, every kWarps-th by one warp.
__global__ void dualTotals(const double* partials, int parts, double* value, float* distance2,
                           float* passed2) {
  __shared__ double shared[kWarps][kLanes];
  const size_t row = static_cast<size_t>(blockIdx.x) * kLanes + threadIdx.x;
  for (int which = 0; which < (passed2 ? kSums : kPassed); ++which) {
    const double* from =
        partials + (static_cast<size_t>(which) * gridDim.x + blockIdx.x) * parts * kLanes + threadIdx.x;
    double mine = 0.0;
    for (int part = static_cast<int>(threadIdx.y); part < parts; part += kWarps)
      mine += from[static_cast<size_t>(part) * kLanes];
    const double total = sumOfRow(mine, shared);
    if (threadIdx.y != 0) continue;
    if (which == kValue) value[row] = total;
    if (which == kSquare) distance2[row] = static_cast<float>(total);
    if (which == kPassed) passed2[row] = static_cast<float>(total);
  }
}

struct AdamArrays {
  float *first, *second;
  const float *step, *correction;
  float beta1, beta2;
};

template <bool free>
__global__ void __launch_bounds__(kLanes* kWarps)
    ascendPart(Arrays layer, const float* y, const float* dz, float* c, AdamArrays adam, int features,
               int perPart) {
  Walk walk(features, perPart);
  const float step = adam.step[walk.row], correction = adam.correction[walk.row];
  const bool boxed = layer.lambda[walk.row] == 0.0f;
  const float keep1 = adam.beta1, keep2 = adam.beta2, new1 = 1.0f - keep1, new2 = 1.0f - keep2;
  for (; walk.here(); walk.next()) {
    const float zhat = layer.zhat[walk.at], gain = c[walk.at], point = dz[walk.at];
    const float chosen = layer.slope[walk.at], arrival = y[walk.at];
    const float oldFirst = adam.first[walk.at], oldSecond = adam.second[walk.at];
    const float residual = arrival - point, gradient = gain * residual;
    const float first = keep1 * oldFirst + new1 * gradient;
    const float second = keep2 * oldSecond + new2 * gradient * gradient;
    float next = chosen + step * first / (sqrtf(second * correction) + 1e-12f);
    float slope = chosen;
    bool learns = true;
    // A row with a ball under the free rule needs no box: for most rows of most layers two loads less.
    if (!free || boxed) {
      const float lower = layer.lower[walk.at], upper = layer.upper[walk.at];
      if (followsBox<free>(boxed, zhat, lower, upper)) {
        learns = gain >= 0.0f && zhat + lower < 0.0f && zhat + upper > 0.0f;
        next = clampTo(next, 0.0f, 1.0f);
        slope = boxSlope(zhat, lower, upper, gain, chosen);
      }
    }
    if (learns) {
      layer.slope[walk.at] = next;
      adam.first[walk.at] = first;
      adam.second[walk.at] = second;
    }
    c[walk.at] = reluChange(zhat, point) + slope * residual;
  }
}

template <bool free>
__global__ void slopesPart(Arrays layer, const float* c, float* out, int features, int perPart) {
  Walk walk(features, perPart);
  const bool boxed = layer.lambda[walk.row] == 0.0f;
  for (; walk.here(); walk.next()) {
    out[walk.at] = slopeInEffect<free>(boxed, layer.zhat[walk.at], layer.lower[walk.at], layer.upper[walk.at],
                                       c[walk.at], layer.slope[walk.at]);
  }
}

template <bool free>
__global__ void lossesPart(Arrays layer, const float* y, const float* dz, const float* c, float* out,
                           int features, int perPart) {
  Walk walk(features, perPart);
  const bool boxed = layer.lambda[walk.row] == 0.0f;
  for (; walk.here(); walk.next()) {
    const float zhat = layer.zhat[walk.at], lower = layer.lower[walk.at], upper = layer.upper[walk.at];
    const float gain = c[walk.at], point = dz[walk.at], arrives = y[walk.at];
    const float slope = slopeInEffect<free>(boxed, zhat, lower, upper, gain, layer.slope[walk.at]);
    const float l = zhat + lower, u = zhat + upper, taken = clampTo(arrives, lower, upper);
    const float share = taken == arrives ? kTriangleShare : kTriangleShareOutside;
    const float loss = gain * (reluChange(zhat, taken) - reluChange(zhat, point)) -
                       slope * gain * (taken - point) + share * fabsf(gain) * (u * -l / (u - l));
    out[walk.at] = l < 0.0f && u > 0.0f ? loss : kNothingLost;
  }
}

}  // namespace

void reluDual(Stream& stream, const ReluLayer& layer, View c, const uint8_t* fresh, View v, View dz,
              Sums value, Rows distance2) {
  const bool free = layer.rule == SlopeRule::free, pays = layer.payment.data != nullptr;
  const Arrays arrays = arraysOf(layer);
  const dim3 grid = partsGrid(c);
  const int perPart = featuresPerPart(c.features), parts = partsOf(c.features);
  if (fresh) {
    const uint8_t* passed = stream.pass(fresh, static_cast<size_t>(c.blocks) * kLanes);
    launch(stream.get(), free ? freshSlopes<true> : freshSlopes<false>, grid, partThreads(), arrays, c.data,
           passed, c.features, perPart);
  }
  double* partials = stream.partials(static_cast<size_t>(kSums) * c.blocks * parts * kLanes);
  const auto evaluate = free ? (layer.boundless ? dualPart<true, true, false>
                                : pays          ? dualPart<true, false, true>
                                                : dualPart<true, false, false>)
                             : (layer.boundless ? dualPart<false, true, false>
                                : pays          ? dualPart<false, false, true>
                                                : dualPart<false, false, false>);
  launch(stream.get(), evaluate, grid, partThreads(), arrays, c.data, v.data, dz.data, c.features, perPart,
         partials);
  launch(stream.get(), dualTotals, c.blocks, partThreads(), partials, parts, value.data, distance2.data,
         pays && !layer.boundless ? layer.passed2.data : nullptr);
}

void reluAscend(Stream& stream, const ReluLayer& layer, View y, View dz, View c, const Adam& adam) {
  const AdamArrays moments{adam.first.data,      adam.second.data, adam.step.data,
                           adam.correction.data, adam.beta1,       adam.beta2};
  launch(stream.get(), layer.rule == SlopeRule::free ? ascendPart<true> : ascendPart<false>, partsGrid(c),
         partThreads(), arraysOf(layer), y.data, dz.data, c.data, moments, c.features,
         featuresPerPart(c.features));
}

void slopes(Stream& stream, const ReluLayer& layer, View c, View out) {
  launch(stream.get(), layer.rule == SlopeRule::free ? slopesPart<true> : slopesPart<false>, partsGrid(c),
         partThreads(), arraysOf(layer), c.data, out.data, c.features, featuresPerPart(c.features));
}

void losses(Stream& stream, const ReluLayer& layer, View y, View dz, View c, View out) {
  launch(stream.get(), layer.rule == SlopeRule::free ? lossesPart<true> : lossesPart<false>, partsGrid(c),
         partThreads(), arraysOf(layer), y.data, dz.data, c.data, out.data, c.features,
         featuresPerPart(c.features));
}

}  // namespace bulwark::BULWARK_CUDA
