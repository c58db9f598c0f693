// Row-major float32 arithmetic for training: what the tape of src/autodiff is made of. Unlike `Backend`,
// whose operators are fixed and whose rows sit in lanes, here weights change at every step and live in
// JavaScript's arrays; so operands are packed for the same register tiles call by call.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/thread_pool.h"

namespace bulwark {

struct KernelTable;

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
  float gradientScale;  // factor on the gradient, for clipping by its norm
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
  const int32_t* labels;  // each from 0 to columns - 1
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

/// Denormal numbers count as zero in everything that multiplies or adds. One object is used by one thread at
/// a time.
class Dense {
 public:
  /// `instructionSet`: as for makeCpuBackend.
  explicit Dense(int threads, const char* instructionSet = nullptr);
  ~Dense();
  Dense(const Dense&) = delete;
  Dense& operator=(const Dense&) = delete;

  int threads() const { return pool_.size(); }

  void gemm(const Gemm& problem);
  void unary(Unary kind, const float* x, float* y, size_t count) const;
  /// y (dense) = a o b.
  void binary(Binary kind, const StridedLoop& loop, const float* a, const float* b, float* y) const;
  /// y[strided] += x (dense).
  void addReduced(const StridedLoop& loop, const float* x, float* y) const;
  /// y = factor * x + shift.
  void scale(const float* x, float* y, size_t count, float factor, float shift) const;
  /// y = factor * x + keep * y.
  void combine(const float* x, float* y, size_t count, float factor, float keep) const;
  /// y[i] = x[indices[i]], 0 where the index is -1.
  void gather(const float* x, const int32_t* indices, float* y, size_t count) const;
  /// y[indices[i]] += x[i], nothing where the index is -1.
  void scatterAdd(const float* x, const int32_t* indices, float* y, size_t count) const;
  /// The largest entry of each row and where it stands (the first of equals).
  void largestOfRows(const float* x, int rows, int columns, float* y, int32_t* where) const;
  /// log sum exp of each row.
  void logSumExpOfRows(const float* x, int rows, int columns, float* y) const;
  /// The gradient behind a ReLU whose outputs are `y`: x where y > 0, else 0. Its columns' sums are added to
  /// `sums` (null: not).
  void gateRows(const float* x, const float* y, int rows, int columns, float* gated, float* sums) const;
  /// Softmax cross entropy of every row of logits with its label, and the log sum exp that it is made of.
  void crossEntropies(const CrossEntropy& problem, float* normalisers, float* losses) const;
  /// gradient = that of the losses, weighted by `weights` [rows].
  void crossEntropyGradient(const CrossEntropy& problem, const float* normalisers, const float* weights,
                            float* gradient) const;

  void convolve(const DenseConv& conv, const float* x, const float* weight, float* y);
  /// x = adjoint of the convolution applied to y.
  void convolveInput(const DenseConv& conv, const float* y, const float* weight, float* x);
  /// weight = gradient of <y, conv(x)> with respect to the weights.
  void convolveWeight(const DenseConv& conv, const float* x, const float* y, float* weight);

  void adam(const AdamStep& step, const float* gradient, float* weight, float* first, float* second,
            size_t count, const MovingAverage& average = {}) const;
  void signStep(const SignStep& step, const float* gradient, const float* centre, float* x,
                size_t count) const;
  /// The same along a gradient that is made and used in pieces that stay in the caches.
  void signStepAlong(const SignStep& step, const Ascent& ascent);
  /// Uniform in [low, high): a function of seed and position alone.
  void uniform(uint64_t seed, float low, float high, float* y, size_t count) const;
  /// Normal with mean 0: a function of seed and position alone.
  void gaussian(uint64_t seed, float deviation, float* y, size_t count);

 private:
  class Scratch;
  void unfold(const DenseConv& conv, const float* image, float* columns) const;
  void foldAdd(const DenseConv& conv, const float* columns, float* image) const;

  const KernelTable& kernels_;
  ThreadPool pool_;
  std::unique_ptr<Scratch> packed_, columns_, piece_;
};

}  // namespace bulwark
