#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/cpu/cpu_dense.h"
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

class Floats final : public Buffer {
 public:
  explicit Floats(size_t count) : values_(count) {}
  void* data() override { return values_.data(); }

 private:
  std::vector<float> values_;
};

/// Of a gradient that is used at once, per thread: half a megabyte, which second caches hold.
constexpr long kPieceFloats = 131072;

}  // namespace

CpuDense::CpuDense(int threads, const char* instructionSet)
    : kernels_(chooseKernels(instructionSet)), pool_(threads) {}

std::unique_ptr<Dense> makeCpuDense(int threads, const char* instructionSet) {
  return std::make_unique<CpuDense>(threads, instructionSet);
}

std::unique_ptr<Buffer> CpuDense::allocate(size_t count) { return std::make_unique<Floats>(count); }

void CpuDense::fill(float* y, size_t count, float value) { std::fill_n(y, count, value); }

void CpuDense::copy(const float* x, float* y, size_t count) { std::copy_n(x, count, y); }

void CpuDense::unary(Unary kind, const float* x, float* y, size_t count) {
  const FlushToZero flush;
  kernels_.dense.unary(kind, x, y, count);
}

void CpuDense::binary(Binary kind, const StridedLoop& loop, const float* a, const float* b, float* y) {
  const FlushToZero flush;
  const int last = loop.rank - 1;
  const auto step = [&](int operand) { return static_cast<size_t>(loop.strides[operand][last]); };
  walk(loop, [&](int64_t at, int64_t first, int64_t second) {
    kernels_.dense.binary(kind, a + first, step(0), b + second, step(1), y + at,
                          static_cast<size_t>(loop.dims[last]));
  });
}

void CpuDense::addReduced(const StridedLoop& loop, const float* x, float* y) {
  const FlushToZero flush;
  const int last = loop.rank - 1;
  const auto add = loop.strides[0][last] == 0 ? kernels_.dense.addSum : kernels_.dense.addTo;
  walk(loop, [&](int64_t at, int64_t first, int64_t) {
    add(x + at, y + first, static_cast<size_t>(loop.dims[last]));
  });
}

void CpuDense::scale(const float* x, float* y, size_t count, float factor, float shift) {
  const FlushToZero flush;
  kernels_.dense.scale(x, y, count, factor, shift);
}

void CpuDense::combine(const float* x, float* y, size_t count, float factor, float keep) {
  const FlushToZero flush;
  kernels_.dense.combine(x, y, count, factor, keep);
}

void CpuDense::normalise(float* x, size_t count, float* length) {
  double sum = 0;
  for (size_t i = 0; i < count; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  const double norm = std::sqrt(sum);
  if (norm > 0)
    for (size_t i = 0; i < count; ++i) x[i] = static_cast<float>(static_cast<double>(x[i]) / norm);
  *length = static_cast<float>(norm);
}

void CpuDense::clipFactor(const float* squares, size_t count, float most, float* factor) {
  double sum = 0;
  for (size_t i = 0; i < count; ++i) sum += static_cast<double>(squares[i]);
  *factor = static_cast<float>(std::min(1.0, static_cast<double>(most) / std::sqrt(sum)));
}

void CpuDense::gather(const float* x, const int32_t* indices, float* y, size_t count) {
  for (size_t i = 0; i < count; ++i) y[i] = indices[i] < 0 ? 0.0f : x[indices[i]];
}

void CpuDense::scatterAdd(const float* x, const int32_t* indices, float* y, size_t count) {
  const FlushToZero flush;
  for (size_t i = 0; i < count; ++i)
    if (indices[i] >= 0) y[indices[i]] += x[i];
}

void CpuDense::largestOfRows(const float* x, int rows, int columns, float* y) {
  for (int row = 0; row < rows; ++row, x += columns) y[row] = *std::max_element(x, x + columns);
}

void CpuDense::largestGradient(const float* x, const float* y, const float* weights, int rows, int columns,
                               float* gradient) {
  std::fill_n(gradient, static_cast<size_t>(rows) * static_cast<size_t>(columns), 0.0f);
  for (int row = 0; row < rows; ++row, x += columns, gradient += columns)
    if (const float* at = std::find(x, x + columns, y[row]); at < x + columns)
      gradient[at - x] = weights[row];
}

void CpuDense::logSumExpOfRows(const float* x, int rows, int columns, float* y) {
  for (int row = 0; row < rows; ++row, x += columns) {
    const float largest = *std::max_element(x, x + columns);
    double sum = 0;
    for (int i = 0; i < columns; ++i) sum += std::exp(x[i] - largest);
    y[row] = std::isfinite(largest) ? largest + static_cast<float>(std::log(sum)) : largest;
  }
}

void CpuDense::gateRows(const float* x, const float* y, int rows, int columns, float* gated, float* sums) {
  const FlushToZero flush;
  kernels_.dense.gate(x, y, static_cast<size_t>(rows), static_cast<size_t>(columns), gated, sums);
}

void CpuDense::crossEntropies(const CrossEntropy& problem, float* normalisers, float* losses) {
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

void CpuDense::crossEntropyGradient(const CrossEntropy& problem, const float* normalisers,
                                    const float* weights, float* gradient) {
  const FlushToZero flush;
  const float* x = problem.logits;
  for (int row = 0; row < problem.rows; ++row, x += problem.columns, gradient += problem.columns) {
    const float weight = weights[row], spread = -weight * problem.share();
    for (int i = 0; i < problem.columns; ++i) gradient[i] = std::exp(x[i] - normalisers[row]) * weight;
    for (int i = 0; i < problem.columns; ++i)
      gradient[i] += i == problem.labels[row] ? spread - weight * problem.own() : spread;
  }
}

void CpuDense::countCorrect(const CrossEntropy& problem, float* count) {
  const float* x = problem.logits;
  int correct = 0;
  for (int row = 0; row < problem.rows; ++row, x += problem.columns)
    correct += std::max_element(x, x + problem.columns) - x == problem.labels[row];
  *count = static_cast<float>(correct);
}

void CpuDense::keepLarger(const float* scores, const float* x, int rows, int columns, float* best,
                          float* kept) {
  for (int row = 0; row < rows; ++row, x += columns, kept += columns) {
    if (scores[row] <= best[row]) continue;
    best[row] = scores[row];
    std::copy_n(x, columns, kept);
  }
}

void CpuDense::adam(const AdamStep& step, const float* gradient, float* weight, float* first, float* second,
                    size_t count, const MovingAverage& average) {
  const FlushToZero flush;
  AdamStep scaled = step;
  if (step.scale) scaled.gradientScale *= *step.scale;
  kernels_.dense.adam(scaled, gradient, weight, first, second, count, average);
}

void CpuDense::signStep(const SignStep& step, const float* gradient, const float* centre, float* x,
                        size_t count) {
  const FlushToZero flush;
  kernels_.dense.signStep(step, gradient, centre, x, count);
}

void CpuDense::signStepAlong(const SignStep& step, const Ascent& ascent) {
  const size_t n = static_cast<size_t>(ascent.n), k = static_cast<size_t>(ascent.k);
  const long most = std::max<long>(1, kPieceFloats / std::max(ascent.n, 1)) * threads();
  const long pieces = (ascent.m + most - 1) / most;
  for (long i = 0; i < pieces; ++i) {
    const size_t row = static_cast<size_t>(ascent.m * i / pieces);
    const int rows = static_cast<int>(ascent.m * (i + 1) / pieces) - static_cast<int>(row);
    const size_t count = static_cast<size_t>(rows) * n;
    float* gradient = piece_.floats(count);
    gemm({ascent.a + row * k, ascent.b, gradient, rows, ascent.n, ascent.k, false, false, false});
    signStep(step, gradient, ascent.centre + row * n, ascent.x + row * n, count);
  }
}

void CpuDense::uniform(uint64_t seed, float low, float high, float* y, size_t count) {
  kernels_.dense.uniform(seed, 0, low, high, y, count);
}

void CpuDense::gaussian(uint64_t seed, float deviation, float* y, size_t count) {
  // Box and Muller's pairs, from two uniform numbers each.
  const size_t pairs = (count + 1) / 2;
  float* u = columns_.floats(2 * pairs);
  kernels_.dense.uniform(seed, 0, 0.0f, 1.0f, u, 2 * pairs);
  for (size_t i = 0; i < pairs; ++i) {
    const float radius = deviation * std::sqrt(-2.0f * std::log(1.0f - u[2 * i]));
    const float angle = 6.2831853f * u[2 * i + 1];
    y[2 * i] = radius * std::cos(angle);
    if (2 * i + 1 < count) y[2 * i + 1] = radius * std::sin(angle);
  }
}

}  // namespace bulwark
