// Operators without sums. All are bound by memory, and a block's rows lie side by side, so a thread is one
// entry (four where nothing but a copy is done: a single load in flight does not fill the memory's pipe) and
// the layout does not matter but where a number per row or per feature is needed.
#include "kernels/cuda/elementwise.h"
#include "kernels/cuda/lanes.h"

namespace bulwark::BULWARK_CUDA {
namespace {

constexpr int kThreads = 256;

template <typename Operation>
__global__ void eachEntry(Operation operation, size_t count) {
  const size_t at = static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (at < count) operation(at);
}

template <typename Operation>
void forEach(Stream& stream, size_t count, Operation operation) {
  launch(stream.get(), eachEntry<Operation>, divideUp(count, kThreads), kThreads, operation, count);
}

template <typename Number>
struct Fill {
  Number* out;
  Number value;
  __device__ void operator()(size_t at) const { out[at] = value; }
};

struct Copy {
  const float4* in;
  float4* out;
  __device__ void operator()(size_t at) const { out[at] = in[at]; }
};

struct Add {
  const float4* in;
  float4* out;
  __device__ void operator()(size_t at) const {
    const float4 x = in[at];
    float4 y = out[at];
    y.x += x.x;
    y.y += x.y;
    y.z += x.z;
    y.w += x.w;
    out[at] = y;
  }
};

struct MidRadius {
  const float *lower, *upper;
  float *mid, *radius;
  __device__ void operator()(size_t at) const {
    const float l = 0.5f * lower[at], u = 0.5f * upper[at];
    mid[at] = u + l;
    radius[at] = u - l;
  }
};

struct BallBox {
  const float *mid, *radius, *reach, *rho;
  float slack;
  int features;
  float *lower, *upper;
  __device__ void operator()(size_t at) const {
    const size_t entry = at / kLanes, block = entry / features;
    const float row = rho[block * kLanes + at % kLanes], rounded = row * (1.0f + slack);
    const float m = mid[at], r = radius[at];
    const float wide = r + slack * (r + fabsf(m));
    // Infinite rows first: a reach of 0 times an infinite ball is no statement about the neuron.
    const float ball = row == kInfinity ? row : (reach ? reach[entry - block * features] * rounded : rounded);
    lower[at] = atMost(atLeast(m - wide, -ball), 0.0f);
    upper[at] = atLeast(atMost(m + wide, ball), 0.0f);
  }
};

struct Deflect {
  const float *lower, *upper, *keep, *add, *pulled;  // lower and upper null: no clip range
  int features;
  float* dx;
  __device__ void operator()(size_t at) const {
    const size_t row = at / kLanes / features * kLanes + at % kLanes;
    const float point = dx[at];
    if (lower && (point == lower[at] || point == upper[at])) return;
    dx[at] = keep[row] * point + add[row] * pulled[at];
  }
};

struct Intersect {
  const float *lower, *upper;
  float *intoLower, *intoUpper;
  __device__ void operator()(size_t at) const {
    intoLower[at] = atLeast(intoLower[at], lower[at]);
    intoUpper[at] = atMost(intoUpper[at], upper[at]);
  }
};

struct ReluBox {
  const float *zhat, *lower, *upper;
  float *outLower, *outUpper;
  __device__ void operator()(size_t at) const {
    const float z = zhat[at], l = reluChange(z, lower[at]), u = reluChange(z, upper[at]);
    outLower[at] = l;
    outUpper[at] = u;
  }
};

struct Relu {
  const float* x;
  float* y;
  __device__ void operator()(size_t at) const { y[at] = atLeast(x[at], 0.0f); }
};

struct ReluMask {
  const float* x;
  float* g;
  __device__ void operator()(size_t at) const {
    if (x[at] <= 0.0f) g[at] = 0.0f;
  }
};

}  // namespace

void fill(Stream& stream, float* out, size_t count, float value) {
  forEach(stream, count, Fill<float>{out, value});
}
void fill(Stream& stream, double* out, size_t count, double value) {
  forEach(stream, count, Fill<double>{out, value});
}

void copy(Stream& stream, View in, View out, bool accumulate) {
  const auto* from = reinterpret_cast<const float4*>(in.data);
  auto* to = reinterpret_cast<float4*>(out.data);
  const size_t quads = viewFloats(in) / 4;
  if (accumulate) {
    forEach(stream, quads, Add{from, to});
  } else {
    forEach(stream, quads, Copy{from, to});
  }
}

void midRadius(Stream& stream, View lower, View upper, View mid, View radius) {
  forEach(stream, viewFloats(lower), MidRadius{lower.data, upper.data, mid.data, radius.data});
}

void ballBox(Stream& stream, View mid, View radius, const float* reach, Rows rho, float slack, View lower,
             View upper) {
  forEach(stream, viewFloats(mid),
          BallBox{mid.data, radius.data, reach, rho.data, slack, mid.features, lower.data, upper.data});
}

void deflect(Stream& stream, const InputRegion& region, Rows keep, Rows add, View pulled, View dx) {
  const float* lower = region.clipped ? region.lower.data : nullptr;
  forEach(stream, viewFloats(dx),
          Deflect{lower, region.upper.data, keep.data, add.data, pulled.data, dx.features, dx.data});
}

void intersectBox(Stream& stream, View lower, View upper, View intoLower, View intoUpper) {
  forEach(stream, viewFloats(lower), Intersect{lower.data, upper.data, intoLower.data, intoUpper.data});
}

void reluBox(Stream& stream, View zhat, View lower, View upper, View outLower, View outUpper) {
  forEach(stream, viewFloats(zhat), ReluBox{zhat.data, lower.data, upper.data, outLower.data, outUpper.data});
}

void relu(Stream& stream, View x, View y) { forEach(stream, viewFloats(x), Relu{x.data, y.data}); }
void reluMask(Stream& stream, View x, View g) { forEach(stream, viewFloats(x), ReluMask{x.data, g.data}); }

}  // namespace bulwark::BULWARK_CUDA
