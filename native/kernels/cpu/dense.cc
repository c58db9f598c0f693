#include "kernels/dense.h"

#include <algorithm>
#include <cmath>

#include "kernels/cpu/dense_scratch.h"
#include "kernels/cpu/dispatch.h"
#include "kernels/flush_to_zero.h"

namespace bulwark {
namespace {

/// Walks all axes but the last; visit(offset of the dense operand, offsets of the strided ones).
template <typename Visit>
void walk(const StridedLoop& loop, Visit visit) {
  std::array<int, kMaxRank> counter{};
  const int last = loop.rank - 1;
  int64_t dense = 0, first = 0, second = 0;
  while (true) {
    visit(dense, first, second);
    dense += loop.dims[last];
    int axis = last - 1;
    for (; axis >= 0; --axis) {
      first += loop.strides[0][axis];
      second += loop.strides[1][axis];
      if (++counter[axis] < loop.dims[axis]) break;
      first -= loop.strides[0][axis] * loop.dims[axis];
      second -= loop.strides[1][axis] * loop.dims[axis];
      counter[axis] = 0;
    }
    if (axis < 0) return;
  }
}

/// Of a gradient that is used at once, per thread: half a megabyte, which second caches hold.
constexpr long kPieceFloats = 131072;

}  // namespace

Dense::Dense(int threads, const char* instructionSet)
    : kernels_(chooseKernels(instructionSet)),
      pool_(threads),
      packed_(std::make_unique<Scratch>()),
      columns_(std::make_unique<Scratch>()),
      piece_(std::make_unique<Scratch>()) {}

Dense::~Dense() = default;

void Dense::unary(Unary kind, const float* x, float* y, size_t count) const {
  const FlushToZero flush;
  kernels_.dense.unary(kind, x, y, count);
}

void Dense::binary(Binary kind, const StridedLoop& loop, const float* a, const float* b, float* y) const {
  const FlushToZero flush;
  const int last = loop.rank - 1;
  const auto step = [&](int operand) { return static_cast<size_t>(loop.strides[operand][last]); };
  walk(loop, [&](int64_t at, int64_t first, int64_t second) {
    kernels_.dense.binary(kind, a + first, step(0), b + second, step(1), y + at,
                          static_cast<size_t>(loop.dims[last]));
  });
}

void Dense::addReduced(const StridedLoop& loop, const float* x, float* y) const {
  const FlushToZero flush;
  const int last = loop.rank - 1;
  const auto add = loop.strides[0][last] == 0 ? kernels_.dense.addSum : kernels_.dense.addTo;
  walk(loop, [&](int64_t at, int64_t first, int64_t) {
    add(x + at, y + first, static_cast<size_t>(loop.dims[last]));
  });
}

void Dense::scale(const float* x, float* y, size_t count, float factor, float shift) const {
  const FlushToZero flush;
  kernels_.dense.scale(x, y, count, factor, shift);
}

void Dense::combine(const float* x, float* y, size_t count, float factor, float keep) const {
  const FlushToZero flush;
  kernels_.dense.combine(x, y, count, factor, keep);
}

void Dense::gather(const float* x, const int32_t* indices, float* y, size_t count) const {
  for (size_t i = 0; i < count; ++i) y[i] = indices[i] < 0 ? 0.0f : x[indices[i]];
}

void Dense::scatterAdd(const float* x, const int32_t* indices, float* y, size_t count) const {
  const FlushToZero flush;
  for (size_t i = 0; i < count; ++i)
    if (indices[i] >= 0) y[indices[i]] += x[i];
}

void Dense::largestOfRows(const float* x, int rows, int columns, float* y, int32_t* where) const {
  for (int row = 0; row < rows; ++row, x += columns) {
    const float* largest = std::max_element(x, x + columns);
    y[row] = *largest;
    where[row] = static_cast<int32_t>(largest - x);
  }
}

void Dense::logSumExpOfRows(const float* x, int rows, int columns, float* y) const {
  for (int row = 0; row < rows; ++row, x += columns) {
    const float largest = *std::max_element(x, x + columns);
    double sum = 0;
    for (int i = 0; i < columns; ++i) sum += std::exp(x[i] - largest);
    y[row] = std::isfinite(largest) ? largest + static_cast<float>(std::log(sum)) : largest;
  }
}

void Dense::gateRows(const float* x, const float* y, int rows, int columns, float* gated, float* sums) const {
  const FlushToZero flush;
  kernels_.dense.gate(x, y, static_cast<size_t>(rows), static_cast<size_t>(columns), gated, sums);
}

void Dense::crossEntropies(const CrossEntropy& problem, float* normalisers, float* losses) const {
  const FlushToZero flush;
  const size_t columns = static_cast<size_t>(problem.columns);
  logSumExpOfRows(problem.logits, problem.rows, problem.columns, normalisers);
  const float* x = problem.logits;
  for (int row = 0; row < problem.rows; ++row, x += columns) {
    float target = x[problem.labels[row]];
    if (problem.smoothing > 0) {
      float sum = 0;
      kernels_.dense.addSum(x, &sum, columns);
      target = problem.own() * target + problem.share() * sum;
    }
    losses[row] = normalisers[row] - target;
  }
}

void Dense::crossEntropyGradient(const CrossEntropy& problem, const float* normalisers, const float* weights,
                                 float* gradient) const {
  const FlushToZero flush;
  const float* x = problem.logits;
  for (int row = 0; row < problem.rows; ++row, x += problem.columns, gradient += problem.columns) {
    const float weight = weights[row], spread = -weight * problem.share();
    for (int i = 0; i < problem.columns; ++i) gradient[i] = std::exp(x[i] - normalisers[row]) * weight;
    for (int i = 0; i < problem.columns; ++i)
      gradient[i] += i == problem.labels[row] ? spread - weight * problem.own() : spread;
  }
}

void Dense::adam(const AdamStep& step, const float* gradient, float* weight, float* first, float* second,
                 size_t count, const MovingAverage& average) const {
  const FlushToZero flush;
  kernels_.dense.adam(step, gradient, weight, first, second, count, average);
}

void Dense::signStep(const SignStep& step, const float* gradient, const float* centre, float* x,
                     size_t count) const {
  const FlushToZero flush;
  kernels_.dense.signStep(step, gradient, centre, x, count);
}

void Dense::signStepAlong(const SignStep& step, const Ascent& ascent) {
  const size_t n = static_cast<size_t>(ascent.n), k = static_cast<size_t>(ascent.k);
  const long most = std::max<long>(1, kPieceFloats / std::max(ascent.n, 1)) * threads();
  const long pieces = (ascent.m + most - 1) / most;
  for (long i = 0; i < pieces; ++i) {
    const size_t row = static_cast<size_t>(ascent.m * i / pieces);
    const int rows = static_cast<int>(ascent.m * (i + 1) / pieces) - static_cast<int>(row);
    const size_t count = static_cast<size_t>(rows) * n;
    float* gradient = piece_->floats(count);
    gemm({ascent.a + row * k, ascent.b, gradient, rows, ascent.n, ascent.k, false, false, false});
    signStep(step, gradient, ascent.centre + row * n, ascent.x + row * n, count);
  }
}

void Dense::uniform(uint64_t seed, float low, float high, float* y, size_t count) const {
  kernels_.dense.uniform(seed, 0, low, high, y, count);
}

void Dense::gaussian(uint64_t seed, float deviation, float* y, size_t count) {
  // Box and Muller's pairs, from two uniform numbers each.
  const size_t pairs = (count + 1) / 2;
  float* u = columns_->floats(2 * pairs);
  kernels_.dense.uniform(seed, 0, 0.0f, 1.0f, u, 2 * pairs);
  for (size_t i = 0; i < pairs; ++i) {
    const float radius = deviation * std::sqrt(-2.0f * std::log(1.0f - u[2 * i]));
    const float angle = 6.2831853f * u[2 * i + 1];
    y[2 * i] = radius * std::cos(angle);
    if (2 * i + 1 < count) y[2 * i + 1] = radius * std::sin(angle);
  }
}

}  // namespace bulwark
