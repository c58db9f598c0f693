// Operations on single entries. All are bound by memory: a thread an entry, and the kind of operation is the
// same for a whole launch, so to choose it in the kernel costs less than a kernel a kind.
#include "kernels/cuda/dense_each.h"
#include "kernels/cuda/dense_kernels.h"

namespace bulwark::BULWARK_CUDA::dense {
namespace {

__device__ inline float applied(Unary kind, float t) {
  switch (kind) {
    case Unary::relu:
      return t < 0 ? 0.0f : t;
    case Unary::absolute:
      return fabsf(t);
    case Unary::exponential:
      return expf(t);
    case Unary::logarithm:
      return logf(t);
    case Unary::root:
      return sqrtf(t);
    case Unary::reciprocal:
      return 1.0f / t;
    case Unary::square:
      return t * t;
    case Unary::softplus:
      return (t < 0 ? 0.0f : t) + log1pf(expf(-fabsf(t)));
    case Unary::sigmoid:
      return 1.0f / (1.0f + expf(-t));
    case Unary::step:
      return t > 0 ? 1.0f : 0.0f;
    case Unary::sign:
      return t > 0 ? 1.0f : (t < 0 ? -1.0f : t);
  }
  return t;
}

__device__ inline float applied(Binary kind, float s, float t) {
  switch (kind) {
    case Binary::add:
      return s + t;
    case Binary::subtract:
      return s - t;
    case Binary::multiply:
      return s * t;
    case Binary::divide:
      return s / t;
    case Binary::largest:
      return s < t ? t : s;
    case Binary::least:
      return s > t ? t : s;
    case Binary::gate:
      return t > 0 ? s : 0.0f;
    case Binary::greater:
      return s > t ? 1.0f : 0.0f;
  }
  return s;
}

struct Fill {
  float* y;
  float value;
  __device__ void operator()(size_t at) const { y[at] = value; }
};

struct Mapped {
  Unary kind;
  const float* x;
  float* y;
  __device__ void operator()(size_t at) const { y[at] = applied(kind, x[at]); }
};

struct Paired {
  Binary kind;
  Axes axes;
  const float *a, *b;
  float* y;
  __device__ void operator()(size_t at) const {
    const Place place = placeOf(axes, at);
    y[at] = applied(kind, a[place.first], b[place.second]);
  }
};

struct Scale {
  const float* x;
  float* y;
  float factor, shift;
  __device__ void operator()(size_t at) const { y[at] = factor * x[at] + shift; }
};

struct Combine {
  const float* x;
  float* y;
  float factor, keep;
  __device__ void operator()(size_t at) const { y[at] = factor * x[at] + keep * y[at]; }
};

struct Gate {
  const float *x, *y;
  float* gated;
  __device__ void operator()(size_t at) const { gated[at] = y[at] > 0 ? x[at] : 0.0f; }
};

struct Adam {
  AdamStep s;
  const float* gradient;
  float *weight, *first, *second;
  MovingAverage kept;
  __device__ void operator()(size_t at) const {
    const float scale = s.scale ? s.gradientScale * *s.scale : s.gradientScale;
    const float g = scale * gradient[at] + s.decay * weight[at];
    const float m = s.beta1 * first[at] + (1 - s.beta1) * g;
    const float v = s.beta2 * second[at] + (1 - s.beta2) * g * g;
    first[at] = m;
    second[at] = v;
    const float move = s.firstCorrection * m / (sqrtf(s.secondCorrection * v) + s.epsilon);
    const float moved = weight[at] - s.rate * move;
    weight[at] = moved;
    if (kept.average) kept.average[at] = kept.fresh * moved + kept.decay * kept.average[at];
  }
};

struct Step {
  SignStep s;
  const float *gradient, *centre;
  float* x;
  __device__ void operator()(size_t at) const { x[at] = steppedAlong(s, gradient[at], centre[at], x[at]); }
};

}  // namespace

void fill(Stream& stream, float* y, size_t count, float value) {
  forEach(stream.get(), count, Fill{y, value});
}

void unary(Stream& stream, Unary kind, const float* x, float* y, size_t count) {
  forEach(stream.get(), count, Mapped{kind, x, y});
}

void binary(Stream& stream, Binary kind, const StridedLoop& loop, const float* a, const float* b, float* y) {
  Axes axes;
  for (int axis = 0; axis < loop.rank; ++axis)
    axes.add(loop.dims[axis], loop.strides[0][axis], loop.strides[1][axis]);
  forEach(stream.get(), axes.count(), Paired{kind, axes, a, b, y});
}

void scale(Stream& stream, const float* x, float* y, size_t count, float factor, float shift) {
  forEach(stream.get(), count, Scale{x, y, factor, shift});
}

void combine(Stream& stream, const float* x, float* y, size_t count, float factor, float keep) {
  forEach(stream.get(), count, Combine{x, y, factor, keep});
}

void gate(Stream& stream, const float* x, const float* y, float* gated, size_t count) {
  forEach(stream.get(), count, Gate{x, y, gated});
}

void adam(Stream& stream, const AdamStep& step, const float* gradient, float* weight, float* first,
          float* second, size_t count, const MovingAverage& average) {
  forEach(stream.get(), count, Adam{step, gradient, weight, first, second, average});
}

void signStep(Stream& stream, const SignStep& step, const float* gradient, const float* centre, float* x,
              size_t count) {
  forEach(stream.get(), count, Step{step, gradient, centre, x});
}

}  // namespace bulwark::BULWARK_CUDA::dense
