// What training's arithmetic does with rows, and lengths of vectors, against plain float64 loops, wherever it
// computes; see dense_checks.h.
#include <algorithm>
#include <array>
#include <cmath>

#include "selftest/batch.h"
#include "selftest/dense_checks.h"
#include "selftest/harness.h"

namespace bulwark::selftest {
namespace {

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

}  // namespace
}  // namespace bulwark::selftest
