// Every operation of training's arithmetic against plain float64 loops, wherever it computes: each
// instruction set, the CUDA kernels on their emulation (whose threads run in another order each time), and a
// GPU.
#include <algorithm>
#include <array>
#include <cmath>
#include <functional>

#include "selftest/batch.h"
#include "selftest/device_floats.h"
#include "selftest/emulation/emulation.h"
#include "selftest/harness.h"

namespace bulwark::selftest {
namespace {

constexpr std::array<int, 4> kSizes{1, 7, 33, 1000};

std::vector<float> randomFloats(Context& context, size_t count, double low = -1, double high = 1) {
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(uniform(context.random, low, high));
  return values;
}

double wide(float x) { return static_cast<double>(x); }

/// Compares `out` with want(i), relative to 1 + |want|, and a second run with the first to the bit.
void check(Context& context, const std::string& what, const DeviceFloats& out,
           const std::function<double(size_t)>& want, double tolerance, const std::function<void()>& run) {
  const std::vector<float> before = out.read();
  run();
  const std::vector<float> got = out.read();
  double worst = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    const double expected = want(i), error = std::fabs(wide(got[i]) - expected) / (1 + std::fabs(expected));
    worst = error <= worst ? worst : error;
  }
  context.error(what, worst, tolerance);
  context.check(emulation::guardsIntact(), what + ": nothing is written beside an allocation");
}

/// The same where what is written does not depend on what was there: run twice, into NaN both times.
void checkFresh(Context& context, Dense& dense, const std::string& what, const DeviceFloats& out,
                const std::function<double(size_t)>& want, double tolerance,
                const std::function<void()>& run) {
  check(context, what, out, want, tolerance, run);
  const std::vector<float> first = out.read();
  dense.fill(out.data(), out.size(), std::numeric_limits<float>::quiet_NaN());
  run();
  context.check(first == out.read(), what + ": the same bits again");
}

const Test memoryTest("dense device: memory", [](Context& context, Device& device) {
  const auto dense = device.makeDense(1);
  for (const int count : kSizes) {
    const size_t size = static_cast<size_t>(count);
    const auto zeros = dense->allocate(size);
    std::vector<float> read(size, 1.0f);
    dense->download(static_cast<const float*>(zeros->data()), read.data(), size);
    context.check(read == std::vector<float>(size), "new memory is zeros");
    const DeviceFloats x(*dense, randomFloats(context, size));
    const DeviceFloats y(*dense, size);
    dense->copy(x.data(), y.data(), size);
    context.check(y.read() == x.read(), "copies");
    dense->fill(y.data(), size, 2.5f);
    context.check(y.read() == std::vector<float>(size, 2.5f), "fills");
  }
  context.check(dense->stepsAhead() >= 1 && dense->threads() >= 1, "properties");
});

struct Shape {
  int m, n, k;
};

const Test gemmTest("dense device: products", [](Context& context, Device& device) {
  const auto dense = device.makeDense(2);
  const auto one = [&](Shape shape, int flags) {
    const auto [m, n, k] = shape;
    const bool transposeA = flags & 1, transposeB = flags & 2, accumulate = flags & 4, relu = flags & 8,
               biased = flags & 16;
    const std::vector<float> hostA = randomFloats(context, static_cast<size_t>(m) * k),
                             hostB = randomFloats(context, static_cast<size_t>(k) * n),
                             hostBias = randomFloats(context, static_cast<size_t>(n)),
                             before = randomFloats(context, static_cast<size_t>(m) * n);
    const DeviceFloats a(*dense, hostA), b(*dense, hostB), bias(*dense, hostBias),
        c = accumulate ? DeviceFloats(*dense, before) : DeviceFloats(*dense, before.size());
    const auto want = [&](size_t at) {
      const int row = static_cast<int>(at) / n, column = static_cast<int>(at) % n;
      double sum = accumulate ? wide(before[at]) : 0.0;
      for (int i = 0; i < k; ++i)
        sum += wide(hostA[static_cast<size_t>(transposeA ? i * m + row : row * k + i)]) *
               wide(hostB[static_cast<size_t>(transposeB ? column * k + i : i * n + column)]);
      if (biased) sum += wide(hostBias[static_cast<size_t>(column)]);
      return relu ? std::max(sum, 0.0) : sum;
    };
    const auto run = [&] {
      dense->gemm({a.data(), b.data(), c.data(), m, n, k, transposeA, transposeB, accumulate, relu,
                   biased ? bias.data() : nullptr});
    };
    const double tolerance = 1e-6 + 2e-7 * std::sqrt(k) * 4;
    if (accumulate)
      check(context, "product added", c, want, tolerance, run);
    else
      checkFresh(context, *dense, "product", c, want, tolerance, run);
  };
  for (int flags = 0; flags < 32; ++flags) {
    const auto pick = [&](std::initializer_list<int> of) {
      return of.begin()[choose(context.random, 0, static_cast<int>(of.size()) - 1)];
    };
    one({pick({1, 7, 33, 65}), pick({1, 7, 33, 70}), pick({0, 1, 7, 33, 300})}, flags);
  }
  one({33, 10, 1000}, 2);
  one({10, 33, 1000}, 1);
  one({1000, 1, 33}, 0);
  one({1, 1, 1000}, 3);
  one({64, 2200, 130}, 16 + 8 + 2);
  one({1449, 1450, 3}, 0);  // large tiles
});

const Test ascentTest("dense device: a sign step along a product", [](Context& context, Device& device) {
  const auto dense = device.makeDense(2);
  const SignStep step{0.2f, 0.3f, -0.9f, 0.9f};
  for (const auto& [m, n, k] : {Shape{1, 1, 1}, Shape{33, 784, 20}, Shape{7, 65, 300}, Shape{5, 9, 1000}}) {
    const size_t size = static_cast<size_t>(m) * n;
    const std::vector<float> centre = randomFloats(context, size), start = randomFloats(context, size);
    const DeviceFloats a(*dense, randomFloats(context, static_cast<size_t>(m) * k)),
        b(*dense, randomFloats(context, static_cast<size_t>(k) * n)), at(*dense, centre), x(*dense, start),
        along(*dense, start), gradient(*dense, size);
    dense->gemm({a.data(), b.data(), gradient.data(), m, n, k, false, false, false});
    const std::vector<float> g = gradient.read();
    const auto want = [&](size_t i) {
      const double moved = wide(start[i]) + wide(step.step) * ((g[i] > 0) - (g[i] < 0));
      const double least = std::max(wide(centre[i]) - wide(step.radius), wide(step.low));
      return std::min(std::max(moved, least), std::min(wide(centre[i]) + wide(step.radius), wide(step.high)));
    };
    check(context, "step", x, want, 1e-6,
          [&] { dense->signStep(step, gradient.data(), at.data(), x.data(), size); });
    dense->signStepAlong(step, {a.data(), b.data(), m, n, k, at.data(), along.data()});
    context.check(x.read() == along.read(), "the same points as by a gradient that is kept");
  }
});

double applied(Unary kind, double t) {
  switch (kind) {
    case Unary::relu:
      return std::max(t, 0.0);
    case Unary::absolute:
      return std::fabs(t);
    case Unary::exponential:
      return std::exp(t);
    case Unary::logarithm:
      return std::log(t);
    case Unary::root:
      return std::sqrt(t);
    case Unary::reciprocal:
      return 1 / t;
    case Unary::square:
      return t * t;
    case Unary::softplus:
      return std::max(t, 0.0) + std::log1p(std::exp(-std::fabs(t)));
    case Unary::sigmoid:
      return 1 / (1 + std::exp(-t));
    case Unary::step:
      return t > 0 ? 1 : 0;
    case Unary::sign:
      return (t > 0) - (t < 0);
  }
  return t;
}

double applied(Binary kind, double s, double t) {
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
      return std::max(s, t);
    case Binary::least:
      return std::min(s, t);
    case Binary::gate:
      return t > 0 ? s : 0;
    case Binary::greater:
      return s > t ? 1 : 0;
  }
  return s;
}

const Test entriesTest("dense device: single entries", [](Context& context, Device& device) {
  const auto dense = device.makeDense(1);
  for (const int count : kSizes) {
    const size_t size = static_cast<size_t>(count);
    for (int code = 0; code < kUnaryKinds; ++code) {
      const Unary kind = static_cast<Unary>(code);
      const bool positive = kind == Unary::logarithm || kind == Unary::root || kind == Unary::reciprocal;
      const std::vector<float> host = randomFloats(context, size, positive ? 0.1 : -20, 20);
      const DeviceFloats x(*dense, host), y(*dense, size);
      checkFresh(
          context, *dense, "unary " + std::to_string(code), y,
          [&](size_t i) { return applied(kind, wide(host[i])); }, 1e-6,
          [&] { dense->unary(kind, x.data(), y.data(), size); });
    }
    const std::vector<float> hostX = randomFloats(context, size), hostY = randomFloats(context, size);
    const DeviceFloats x(*dense, hostX), y(*dense, size), kept(*dense, hostY);
    checkFresh(
        context, *dense, "scale", y, [&](size_t i) { return -1.5 * wide(hostX[i]) + 0.25; }, 1e-6,
        [&] { dense->scale(x.data(), y.data(), size, -1.5f, 0.25f); });
    check(
        context, "combine", kept, [&](size_t i) { return 2 * wide(hostX[i]) - 0.5 * wide(hostY[i]); }, 1e-6,
        [&] { dense->combine(x.data(), kept.data(), size, 2, -0.5f); });
  }
});

/// Strides of operands that are whole, or repeat along some axes.
StridedLoop randomLoop(Context& context, int rank, int repeats, std::array<size_t, 3>& sizes) {
  StridedLoop loop{};
  loop.rank = rank;
  sizes.fill(1);
  for (int axis = 0; axis < rank; ++axis) loop.dims[axis] = choose(context.random, 1, rank > 3 ? 5 : 12);
  for (int axis = 0; axis < rank; ++axis) sizes[2] *= static_cast<size_t>(loop.dims[axis]);
  for (size_t operand = 0; operand < 2; ++operand)
    for (int axis = rank - 1; axis >= 0; --axis) {
      // An operand whose last axis is longer than 1 steps along it by one.
      if (choose(context.random, 0, 3) < repeats) continue;
      loop.strides[operand][axis] = static_cast<int64_t>(sizes[operand]);
      sizes[operand] *= static_cast<size_t>(loop.dims[axis]);
    }
  for (size_t operand = 0; operand < 2; ++operand) {
    int64_t& last = loop.strides[operand][static_cast<size_t>(rank) - 1];
    last = std::min<int64_t>(last, 1);
  }
  return loop;
}

size_t placeIn(const StridedLoop& loop, size_t operand, size_t at) {
  size_t place = 0;
  for (int axis = loop.rank - 1; axis >= 0; --axis) {
    const size_t dim = static_cast<size_t>(loop.dims[axis]);
    place += at % dim * static_cast<size_t>(loop.strides[operand][axis]);
    at /= dim;
  }
  return place;
}

const Test stridesTest("dense device: pairs of entries, strided", [](Context& context, Device& device) {
  const auto dense = device.makeDense(1);
  for (int round = 0; round < 40; ++round) {
    std::array<size_t, 3> sizes{};
    const StridedLoop loop = randomLoop(context, 1 + round % kMaxRank, round % 4, sizes);
    const Binary kind = static_cast<Binary>(round % kBinaryKinds);
    const std::vector<float> hostA = randomFloats(context, sizes[0]),
                             hostB = randomFloats(context, sizes[1], kind == Binary::divide ? 0.1 : -1, 1);
    const DeviceFloats a(*dense, hostA), b(*dense, hostB), y(*dense, sizes[2]);
    checkFresh(
        context, *dense, "binary " + std::to_string(round % kBinaryKinds), y,
        [&](size_t at) {
          return applied(kind, wide(hostA[placeIn(loop, 0, at)]), wide(hostB[placeIn(loop, 1, at)]));
        },
        1e-6, [&] { dense->binary(kind, loop, a.data(), b.data(), y.data()); });
  }
});

const Test sumsTest("dense device: sums over axes", [](Context& context, Device& device) {
  const auto dense = device.makeDense(1);
  const auto one = [&](const StridedLoop& loop, size_t outputs, size_t count) {
    const std::vector<float> hostX = randomFloats(context, count), before = randomFloats(context, outputs);
    std::vector<double> sums(before.begin(), before.end());
    for (size_t at = 0; at < count; ++at) sums[placeIn(loop, 0, at)] += wide(hostX[at]);
    const DeviceFloats x(*dense, hostX), y(*dense, before), again(*dense, before);
    check(
        context, "sums", y, [&](size_t i) { return sums[i]; },
        1e-6 + 2e-7 * std::sqrt(static_cast<double>(count / outputs)),
        [&] { dense->addReduced(loop, x.data(), y.data()); });
    dense->addReduced(loop, x.data(), again.data());
    context.check(y.read() == again.read(), "the same bits again");
  };
  for (int round = 0; round < 40; ++round) {
    std::array<size_t, 3> sizes{};
    const StridedLoop loop = randomLoop(context, 1 + round % kMaxRank, round % 4, sizes);
    one(loop, sizes[0], sizes[2]);
  }
  // Longer than a piece: all, rows, columns, channels of maps.
  one({1, {5000}, {{{0}, {}}}}, 1, 5000);
  one({2, {3, 5001}, {{{1, 0}, {}}}}, 3, 15003);
  one({2, {5001, 3}, {{{0, 1}, {}}}}, 3, 15003);
  one({2, {100, 33}, {{{0, 1}, {}}}}, 33, 3300);
  one({3, {40, 7, 81}, {{{0, 1, 0}, {}}}}, 7, 22680);
});

const Test gateTest("dense device: gated rows", [](Context& context, Device& device) {
  const auto dense = device.makeDense(1);
  for (const int rows : {1, 7, 33, 300})
    for (const int columns : {1, 7, 33, 128}) {
      const size_t size = static_cast<size_t>(rows) * columns;
      const std::vector<float> hostX = randomFloats(context, size), hostY = randomFloats(context, size),
                               before = randomFloats(context, static_cast<size_t>(columns));
      const DeviceFloats x(*dense, hostX), y(*dense, hostY), gated(*dense, size), sums(*dense, before),
          alone(*dense, size);
      const auto open = [&](size_t i) { return hostY[i] > 0 ? wide(hostX[i]) : 0.0; };
      check(context, "gated", gated, open, 0,
            [&] { dense->gateRows(x.data(), y.data(), rows, columns, gated.data(), sums.data()); });
      dense->gateRows(x.data(), y.data(), rows, columns, alone.data(), nullptr);
      context.check(alone.read() == gated.read(), "with and without sums");
      const auto column = [&](size_t j) {
        double sum = wide(before[j]);
        for (size_t i = j; i < size; i += static_cast<size_t>(columns)) sum += open(i);
        return sum;
      };
      check(context, "sums of columns", sums, column, 1e-5, [] {});
    }
});

const Test rowsTest("dense device: rows of logits", [](Context& context, Device& device) {
  const auto dense = device.makeDense(1);
  for (const int rows : {1, 7, 300})
    for (const int columns : {1, 10, 33, 1000}) {
      const size_t size = static_cast<size_t>(rows) * columns, count = static_cast<size_t>(rows);
      std::vector<float> host = randomFloats(context, size, -30, 30);
      if (columns > 2) host[1] = host[2] = 40;  // equals: the first counts
      std::vector<int32_t> labels(count);
      for (int32_t& label : labels) label = choose(context.random, 0, columns - 1);
      labels[0] = std::min(1, columns - 1);
      const std::vector<float> hostWeights = randomFloats(context, count);
      const DeviceFloats logits(*dense, host), weights(*dense, hostWeights), largest(*dense, count),
          byLargest(*dense, size), normalisers(*dense, count), losses(*dense, count), gradient(*dense, size);
      const auto begin = [&](size_t row) {
        return host.begin() + static_cast<ptrdiff_t>(row * static_cast<size_t>(columns));
      };
      std::vector<ptrdiff_t> bestColumns;
      std::vector<double> norms, means;
      for (size_t row = 0; row < count; ++row) {
        const auto best = std::max_element(begin(row), begin(row) + columns);
        bestColumns.push_back(best - begin(row));
        double sum = 0, mean = 0;
        for (int i = 0; i < columns; ++i) {
          sum += std::exp(wide(begin(row)[i]) - wide(*best));
          mean += wide(begin(row)[i]) / columns;
        }
        norms.push_back(wide(*best) + std::log(sum));
        means.push_back(mean);
      }
      checkFresh(
          context, *dense, "largest", largest, [&](size_t row) { return wide(begin(row)[bestColumns[row]]); },
          0, [&] { dense->largestOfRows(logits.data(), rows, columns, largest.data()); });
      checkFresh(
          context, *dense, "gradient of the largest", byLargest,
          [&](size_t at) {
            const size_t row = at / static_cast<size_t>(columns);
            const auto column = static_cast<ptrdiff_t>(at % static_cast<size_t>(columns));
            return column == bestColumns[row] ? wide(hostWeights[row]) : 0.0;
          },
          0,
          [&] {
            dense->largestGradient(logits.data(), largest.data(), weights.data(), rows, columns,
                                   byLargest.data());
          });
      checkFresh(
          context, *dense, "log sum exp", losses, [&](size_t row) { return norms[row]; }, 1e-6,
          [&] { dense->logSumExpOfRows(logits.data(), rows, columns, losses.data()); });
      for (const double smoothing : {0.0, 0.1}) {
        const CrossEntropy problem{logits.data(), labels.data(), rows, columns, smoothing};
        const auto loss = [&](size_t row) {
          return norms[row] - (1 - smoothing) * wide(begin(row)[labels[row]]) - smoothing * means[row];
        };
        checkFresh(context, *dense, "losses", losses, loss, 1e-5,
                   [&] { dense->crossEntropies(problem, normalisers.data(), losses.data()); });
        const auto slope = [&](size_t at) {
          const size_t row = at / static_cast<size_t>(columns);
          const int column = static_cast<int>(at % static_cast<size_t>(columns));
          const double target = smoothing / columns + (column == labels[row] ? 1 - smoothing : 0);
          return wide(hostWeights[row]) * (std::exp(wide(host[at]) - norms[row]) - target);
        };
        checkFresh(context, *dense, "gradient of losses", gradient, slope, 1e-5, [&] {
          dense->crossEntropyGradient(problem, normalisers.data(), weights.data(), gradient.data());
        });
        const DeviceFloats correct(*dense, size_t{1});
        const auto counted = [&](size_t) {
          double sum = 0;
          for (size_t row = 0; row < count; ++row) sum += bestColumns[row] == labels[row] ? 1.0 : 0.0;
          return sum;
        };
        checkFresh(context, *dense, "correct rows", correct, counted, 0,
                   [&] { dense->countCorrect(problem, correct.data()); });
      }
    }
});

const Test keepTest("dense device: the larger scores stay", [](Context& context, Device& device) {
  const auto dense = device.makeDense(1);
  for (const int rows : {1, 7, 33}) {
    const int columns = 50;
    const size_t size = static_cast<size_t>(rows) * columns, count = static_cast<size_t>(rows);
    std::vector<float> bestScores(count, -std::numeric_limits<float>::infinity()), bestRows(size);
    const DeviceFloats best(*dense, bestScores), kept(*dense, size);
    for (int round = 0; round < 3; ++round) {
      const std::vector<float> scores = randomFloats(context, count), x = randomFloats(context, size);
      const DeviceFloats given(*dense, scores), points(*dense, x);
      dense->keepLarger(given.data(), points.data(), rows, columns, best.data(), kept.data());
      for (size_t row = 0; row < count; ++row) {
        if (scores[row] <= bestScores[row]) continue;
        bestScores[row] = scores[row];
        std::copy_n(x.begin() + static_cast<ptrdiff_t>(row) * columns, columns,
                    bestRows.begin() + static_cast<ptrdiff_t>(row) * columns);
      }
      context.check(best.read() == bestScores && kept.read() == bestRows, "scores and rows");
    }
  }
});

const Test gatherTest("dense device: entries by index", [](Context& context, Device& device) {
  const auto dense = device.makeDense(1);
  for (const int count : kSizes)
    for (const int range : {1, 20, 2000})
      for (const bool sorted : {false, true}) {
        const size_t size = static_cast<size_t>(count), places = static_cast<size_t>(range);
        std::vector<int32_t> indices(size);
        for (int32_t& index : indices) index = choose(context.random, -1, range - 1);
        if (sorted) std::sort(indices.begin(), indices.end());
        const std::vector<float> hostX = randomFloats(context, places), hostG = randomFloats(context, size);
        std::vector<float> sums = randomFloats(context, places);
        const DeviceFloats x(*dense, hostX), y(*dense, size), g(*dense, hostG), into(*dense, sums);
        const auto picked = [&](size_t i) {
          return indices[i] < 0 ? 0.0 : wide(hostX[static_cast<size_t>(indices[i])]);
        };
        checkFresh(context, *dense, "gathered", y, picked, 0,
                   [&] { dense->gather(x.data(), indices.data(), y.data(), size); });
        dense->scatterAdd(g.data(), indices.data(), into.data(), size);
        for (size_t i = 0; i < size; ++i)
          if (indices[i] >= 0) sums[static_cast<size_t>(indices[i])] += hostG[i];
        context.check(into.read() == sums, "scattered, in the order of the sources");
      }
});

const Test vectorTest("dense device: lengths of vectors", [](Context& context, Device& device) {
  const auto dense = device.makeDense(1);
  for (const int count : kSizes) {
    const size_t size = static_cast<size_t>(count);
    const std::vector<float> host = randomFloats(context, size);
    double sum = 0;
    for (const float value : host) sum += wide(value) * wide(value);
    const DeviceFloats x(*dense, host), length(*dense, size_t{1}), zeros(*dense, std::vector<float>(size));
    check(
        context, "unit vector", x, [&](size_t i) { return wide(host[i]) / std::sqrt(sum); }, 1e-6,
        [&] { dense->normalise(x.data(), size, length.data()); });
    context.error("length", std::fabs(wide(length.read()[0]) - std::sqrt(sum)) / std::sqrt(sum), 1e-6);
    dense->normalise(zeros.data(), size, length.data());
    context.check(zeros.read() == std::vector<float>(size) && length.read()[0] == 0, "zeros stay");
    std::vector<float> squares = host;
    for (float& value : squares) value *= value;
    const DeviceFloats given(*dense, squares), factor(*dense, size_t{1});
    for (const float most : {0.3f, 100.0f})
      checkFresh(
          context, *dense, "factor", factor,
          [&](size_t) { return std::min(1.0, wide(most) / std::sqrt(sum)); }, 1e-6,
          [&] { dense->clipFactor(given.data(), size, most, factor.data()); });
  }
});

const Test convolutionTest("dense device: convolutions", [](Context& context, Device& device) {
  const auto dense = device.makeDense(1);
  for (int round = 0; round < 14; ++round) {
    const bool large = round == 0;
    const DenseConv conv{choose(context.random, 1, 3),
                         large ? 7 : choose(context.random, 1, 3),
                         large ? 33 : choose(context.random, 4, 9),
                         large ? 17 : choose(context.random, 4, 9),
                         large ? 33 : choose(context.random, 1, 5),
                         {choose(context.random, 1, 4), choose(context.random, 1, 4)},
                         {choose(context.random, 1, 2), choose(context.random, 1, 3)},
                         {choose(context.random, 0, 2), choose(context.random, 0, 2)}};
    const size_t inputs = static_cast<size_t>(conv.images) * conv.channels * conv.height * conv.width;
    const size_t weights = static_cast<size_t>(conv.outputs) * conv.fanIn();
    const size_t outputs = static_cast<size_t>(conv.images) * conv.outputs * conv.positions();
    const std::vector<float> hostX = randomFloats(context, inputs), hostW = randomFloats(context, weights),
                             hostY = randomFloats(context, outputs);
    std::vector<double> forward(outputs), input(inputs), weight(weights);
    size_t to = 0;
    for (int n = 0; n < conv.images; ++n)
      for (int o = 0; o < conv.outputs; ++o)
        for (int oy = 0; oy < conv.outHeight(); ++oy)
          for (int ox = 0; ox < conv.outWidth(); ++ox, ++to)
            for (int tap = 0; tap < conv.fanIn(); ++tap) {
              const int kx = tap % conv.kernel[1], ky = tap / conv.kernel[1] % conv.kernel[0];
              const int c = tap / conv.kernel[1] / conv.kernel[0];
              const int iy = oy * conv.strides[0] - conv.pads[0] + ky;
              const int ix = ox * conv.strides[1] - conv.pads[1] + kx;
              if (iy < 0 || ix < 0 || iy >= conv.height || ix >= conv.width) continue;
              const size_t at =
                  static_cast<size_t>(((n * conv.channels + c) * conv.height + iy) * conv.width + ix);
              const size_t by = static_cast<size_t>(o * conv.fanIn() + tap);
              forward[to] += wide(hostX[at]) * wide(hostW[by]);
              input[at] += wide(hostY[to]) * wide(hostW[by]);
              weight[by] += wide(hostY[to]) * wide(hostX[at]);
            }
    const DeviceFloats x(*dense, hostX), w(*dense, hostW), y(*dense, hostY), gotY(*dense, outputs),
        gotX(*dense, inputs), gotW(*dense, weights);
    checkFresh(
        context, *dense, "forward", gotY, [&](size_t i) { return forward[i]; }, 1e-5,
        [&] { dense->convolve(conv, x.data(), w.data(), gotY.data()); });
    checkFresh(
        context, *dense, "input adjoint", gotX, [&](size_t i) { return input[i]; }, 1e-5,
        [&] { dense->convolveInput(conv, y.data(), w.data(), gotX.data()); });
    checkFresh(
        context, *dense, "weight adjoint", gotW, [&](size_t i) { return weight[i]; }, 1e-5,
        [&] { dense->convolveWeight(conv, x.data(), y.data(), gotW.data()); });
  }
});

const Test adamTest("dense device: adam", [](Context& context, Device& device) {
  const auto dense = device.makeDense(1);
  for (const int count : kSizes) {
    const size_t size = static_cast<size_t>(count);
    // Away from 0, where the sign of a gradient decides, and rounding with it.
    std::vector<float> hostGradient = randomFloats(context, size, 0.05, 1);
    for (size_t i = 0; i < size; i += 2) hostGradient[i] = -hostGradient[i];
    const std::vector<float> start = randomFloats(context, size);
    const DeviceFloats gradient(*dense, hostGradient), weight(*dense, start), average(*dense, start),
        first(*dense, std::vector<float>(size)), second(*dense, std::vector<float>(size)),
        scale(*dense, std::vector<float>{0.5f});
    std::vector<double> w(start.begin(), start.end()), m(size), v(size), kept = w;
    for (int step = 1; step <= 20; ++step) {
      AdamStep adam{0.02f,
                    0.9f,
                    0.999f,
                    1e-8f,
                    1e-2f,
                    static_cast<float>(1 / (1 - std::pow(0.9, step))),
                    static_cast<float>(1 / (1 - std::pow(0.999, step))),
                    step % 2 != 0 ? 0.5f : 1.0f};
      if (step % 2 == 0) adam.scale = scale.data();
      dense->adam(adam, gradient.data(), weight.data(), first.data(), second.data(), size,
                  {average.data(), 0.25f, 0.75f});
      for (size_t i = 0; i < size; ++i) {
        const double g = 0.5 * wide(hostGradient[i]) + 1e-2 * w[i];
        m[i] = 0.9 * m[i] + 0.1 * g;
        v[i] = 0.999 * v[i] + 0.001 * g * g;
        w[i] -=
            0.02 * m[i] / (1 - std::pow(0.9, step)) / (std::sqrt(v[i] / (1 - std::pow(0.999, step))) + 1e-8);
        kept[i] = 0.25 * w[i] + 0.75 * kept[i];
      }
    }
    check(context, "weights", weight, [&](size_t i) { return w[i]; }, 2e-5, [] {});
    check(context, "average", average, [&](size_t i) { return kept[i]; }, 2e-5, [] {});
  }
});

const Test randomTest("dense device: random numbers are the CPU's", [](Context& context, Device& device) {
  const auto dense = device.makeDense(1), cpu = makeCpuDense(1);
  for (const int count : kSizes) {
    const size_t size = static_cast<size_t>(count);
    const DeviceFloats y(*dense, size);
    std::vector<float> expected(size);
    const auto want = [&](size_t i) { return wide(expected[i]); };
    for (const uint64_t seed : {uint64_t{7}, uint64_t{0x12345678abcde}}) {
      cpu->uniform(seed, 0, 1, expected.data(), size);
      checkFresh(context, *dense, "uniform, bits", y, want, 0,
                 [&] { dense->uniform(seed, 0, 1, y.data(), size); });
      cpu->uniform(seed, -0.3f, 0.7f, expected.data(), size);
      checkFresh(context, *dense, "uniform", y, want, 1e-7,
                 [&] { dense->uniform(seed, -0.3f, 0.7f, y.data(), size); });
      cpu->gaussian(seed, 0.5f, expected.data(), size);
      checkFresh(context, *dense, "gaussian", y, want, 1e-6,
                 [&] { dense->gaussian(seed, 0.5f, y.data(), size); });
    }
  }
});

}  // namespace
}  // namespace bulwark::selftest
