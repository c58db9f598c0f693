// Row-major float32 arithmetic for training: what the tape of src/autodiff is made of. Unlike `Backend`,
// whose operators are fixed and whose rows sit in lanes, here weights change at every step; so nothing is
// packed for longer than a call.
//
// Arrays lie in the arithmetic's own memory: on the CPU that is any memory, on a GPU what `allocate` gave.
// There, calls return before the work is done and follow each other on one stream; `download` waits.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "kernels/buffer.h"

namespace bulwark {

/// y = f(x). `step` is 1 where x > 0, else 0.
enum class Unary {
  relu,
  absolute,
  exponential,
  logarithm,
  root,
  reciprocal,
  square,
  softplus,
  sigmoid,
  step,
  sign
};
inline constexpr int kUnaryKinds = 11;

/// `gate`: a where b > 0, else 0. `greater`: 1 where a > b, else 0.
enum class Binary { add, subtract, multiply, divide, largest, least, gate, greater };
inline constexpr int kBinaryKinds = 8;

/// c = op(a) op(b) (+ c), op(a): [m, k], op(b): [k, n], c: [m, n], all dense and row-major; a transposed
/// operand is stored as its transpose. Then, where asked for, `bias` [n] is added to every row and what is
/// below 0 becomes 0: the same numbers as in passes of their own.
struct Gemm {
  const float* a;
  const float* b;
  float* c;
  int m, n, k;
  bool transposeA, transposeB, accumulate;
  bool relu = false;
  const float* bias = nullptr;
};

/// Adam: weight -= rate * m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon), on the gradient plus decay
/// * weight. The corrections are 1 / (1 - beta^t).
struct AdamStep {
  float rate, beta1, beta2, epsilon, decay;
  float firstCorrection, secondCorrection;
  float gradientScale;           // factor on the gradient
  const float* scale = nullptr;  // a further one, in the arithmetic's memory; null: none
};

/// A moving average of the weights, updated in the same pass: average = (1 - decay) * weight + decay *
/// average.
struct MovingAverage {
  float* average = nullptr;    // null: none is kept
  float fresh = 0, decay = 0;  // fresh: 1 - decay
};

/// x <- x + step * sign(gradient), back into [centre - radius, centre + radius] and [low, high].
struct SignStep {
  float step, radius, low, high;
};

/// A sign step along the gradient a b, a: [m, k], b: [k, n], of points x around a centre, both [m, n].
struct Ascent {
  const float* a;
  const float* b;
  int m, n, k;
  const float* centre;
  float* x;
};

/// Rows of logits and their labels, `smoothing` of whose weight is spread over all columns.
struct CrossEntropy {
  const float* logits;
  const int32_t* labels;  // on the host, each from 0 to columns - 1
  int rows, columns;
  double smoothing;
  float own() const { return static_cast<float>(1 - smoothing); }
  float share() const { return static_cast<float>(smoothing / columns); }
};

/// A 2-D convolution of [images, channels, height, width] with weights [outputs, channels, kernel...].
struct DenseConv {
  int images, channels, height, width, outputs;
  std::array<int, 2> kernel, strides, pads;  // pads at both ends
  int outHeight() const { return (height + 2 * pads[0] - kernel[0]) / strides[0] + 1; }
  int outWidth() const { return (width + 2 * pads[1] - kernel[1]) / strides[1] + 1; }
  int positions() const { return outHeight() * outWidth(); }
  int fanIn() const { return channels * kernel[0] * kernel[1]; }
};

/// An array of `rank` axes that several operands step through; a stride of 0 repeats an operand. The last
/// axis' strides are 0 or 1.
inline constexpr int kMaxRank = 6;
struct StridedLoop {
  int rank;
  std::array<int, kMaxRank> dims;
  std::array<std::array<int64_t, kMaxRank>, 2> strides;
};

/// One object is used by one thread at a time. Sums have an order that depends on shapes alone, so that the
/// same calls give the same bits on the same device. Arrays of a call may only overlap where they are the
/// same array and each entry depends on the entry at its own place.
class Dense {
 public:
  virtual ~Dense() = default;

  /// Worker threads of the host; 1 on a GPU.
  virtual int threads() const = 0;
  /// Steps of a training that may be queued before somebody looks at what they gave: 1 on the CPU.
  virtual int stepsAhead() const = 0;

  /// `count` zeros. Throws DeviceMemoryError where the device's memory is full.
  virtual std::unique_ptr<Buffer> allocate(size_t count) = 0;
  virtual void upload(const float* host, float* to, size_t count) = 0;
  virtual void download(const float* from, float* host, size_t count) = 0;

  virtual void fill(float* y, size_t count, float value) = 0;
  virtual void copy(const float* x, float* y, size_t count) = 0;

  virtual void gemm(const Gemm& problem) = 0;
  virtual void unary(Unary kind, const float* x, float* y, size_t count) = 0;
  /// y (dense) = a o b.
  virtual void binary(Binary kind, const StridedLoop& loop, const float* a, const float* b, float* y) = 0;
  /// y[strided] += x (dense). Different places of the axes that are not repeated are different places of y.
  virtual void addReduced(const StridedLoop& loop, const float* x, float* y) = 0;
  /// y = factor * x + shift.
  virtual void scale(const float* x, float* y, size_t count, float factor, float shift) = 0;
  /// y = factor * x + keep * y.
  virtual void combine(const float* x, float* y, size_t count, float factor, float keep) = 0;
  /// x divided by its Euclidean length, which is written to `length`; zeros stay.
  virtual void normalise(float* x, size_t count, float* length) = 0;
  /// factor = what takes a vector to a length of at most `most`: min(1, most / sqrt(sum of squares)).
  virtual void clipFactor(const float* squares, size_t count, float most, float* factor) = 0;

  /// y[i] = x[indices[i]], 0 where the index is -1. Indices lie on the host.
  virtual void gather(const float* x, const int32_t* indices, float* y, size_t count) = 0;
  /// y[indices[i]] += x[i], nothing where the index is -1, in ascending order of i.
  virtual void scatterAdd(const float* x, const int32_t* indices, float* y, size_t count) = 0;

  /// The largest entry of each row.
  virtual void largestOfRows(const float* x, int rows, int columns, float* y) = 0;
  /// gradient = that of the rows' largest entries `y`, weighted by `weights`: it goes to the first of equals.
  virtual void largestGradient(const float* x, const float* y, const float* weights, int rows, int columns,
                               float* gradient) = 0;
  /// log sum exp of each row.
  virtual void logSumExpOfRows(const float* x, int rows, int columns, float* y) = 0;
  /// The gradient behind a ReLU whose outputs are `y`: x where y > 0, else 0. Its columns' sums are added to
  /// `sums` (null: not).
  virtual void gateRows(const float* x, const float* y, int rows, int columns, float* gated, float* sums) = 0;
  /// Softmax cross entropy of every row of logits with its label, and the log sum exp that it is made of.
  virtual void crossEntropies(const CrossEntropy& problem, float* normalisers, float* losses) = 0;
  /// gradient = that of the losses, weighted by `weights` [rows].
  virtual void crossEntropyGradient(const CrossEntropy& problem, const float* normalisers,
                                    const float* weights, float* gradient) = 0;
  /// count = how many rows of logits are largest (the first of equals) at their label; `smoothing` is not
  /// looked at.
  virtual void countCorrect(const CrossEntropy& problem, float* count) = 0;
  /// Rows whose score is not at most their best become `kept`, and their score the best.
  virtual void keepLarger(const float* scores, const float* x, int rows, int columns, float* best,
                          float* kept) = 0;

  virtual void convolve(const DenseConv& conv, const float* x, const float* weight, float* y) = 0;
  /// x = adjoint of the convolution applied to y.
  virtual void convolveInput(const DenseConv& conv, const float* y, const float* weight, float* x) = 0;
  /// weight = gradient of <y, conv(x)> with respect to the weights.
  virtual void convolveWeight(const DenseConv& conv, const float* x, const float* y, float* weight) = 0;

  virtual void adam(const AdamStep& step, const float* gradient, float* weight, float* first, float* second,
                    size_t count, const MovingAverage& average = {}) = 0;
  virtual void signStep(const SignStep& step, const float* gradient, const float* centre, float* x,
                        size_t count) = 0;
  /// The same along a gradient that is never stored as a whole.
  virtual void signStepAlong(const SignStep& step, const Ascent& ascent) = 0;
  /// Uniform in [low, high): a function of seed and position alone, the same on every device but for the last
  /// rounding.
  virtual void uniform(uint64_t seed, float low, float high, float* y, size_t count) = 0;
  /// Normal with mean 0: a function of seed and position alone, the same but for rounding.
  virtual void gaussian(uint64_t seed, float deviation, float* y, size_t count) = 0;
};

/// On the CPU, where denormal numbers count as zero in everything that multiplies or adds.
/// `instructionSet`: as for makeCpuBackend.
std::unique_ptr<Dense> makeCpuDense(int threads, const char* instructionSet = nullptr);

}  // namespace bulwark
