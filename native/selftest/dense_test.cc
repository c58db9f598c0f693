// Row-major arithmetic against plain float64 loops, for every instruction set and thread count.
#include "kernels/dense.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "selftest/batch.h"
#include "selftest/dense_checks.h"
#include "selftest/harness.h"

namespace bulwark::selftest {
namespace {

const Test gemmTest("dense gemm", [](Context& context, const char* set) {
  for (const int threads : {1, 3}) {
    const auto owned = makeCpuDense(threads, set);
    Dense& dense = *owned;
    // The whole of c and a bit more is compared, so that nothing behind its last column is touched.
    const auto one = [&](int m, int n, int k, bool transposeA, bool transposeB, bool accumulate,
                         bool biased = false, bool relu = false) {
      const std::vector<float> a = randomFloats(context, static_cast<size_t>(m) * k),
                               b = randomFloats(context, static_cast<size_t>(k) * n);
      const std::vector<float> bias = randomFloats(context, static_cast<size_t>(n));
      std::vector<float> c = randomFloats(context, static_cast<size_t>(m) * n + 64);
      const std::vector<float> before = c;
      dense.gemm({a.data(), b.data(), c.data(), m, n, k, transposeA, transposeB, accumulate, relu,
                  biased ? bias.data() : nullptr});
      context.check(std::equal(c.end() - 64, c.end(), before.end() - 64), "nothing behind c is written");
      double worst = 0;
      for (int i = 0; i < m; ++i)
        for (int j = 0; j < n; ++j) {
          double sum = accumulate ? static_cast<double>(before[static_cast<size_t>(i) * n + j]) : 0.0;
          for (int l = 0; l < k; ++l)
            sum += static_cast<double>(transposeA ? a[static_cast<size_t>(l) * m + i]
                                                  : a[static_cast<size_t>(i) * k + l]) *
                   static_cast<double>(transposeB ? b[static_cast<size_t>(j) * k + l]
                                                  : b[static_cast<size_t>(l) * n + j]);
          if (biased) sum += static_cast<double>(bias[static_cast<size_t>(j)]);
          if (relu) sum = std::max(sum, 0.0);
          const double error = std::fabs(sum - static_cast<double>(c[static_cast<size_t>(i) * n + j]));
          worst = error <= worst ? worst : error;
        }
      context.error("product", worst, 1e-6 * (k + 1));
    };
    for (int round = 0; round < 24; ++round)
      one(choose(context.random, 1, 40), choose(context.random, 1, 70), choose(context.random, 0, 450),
          round % 2 != 0, round % 4 > 1, round % 8 > 3, round % 3 != 0, round % 5 > 1);
    one(140, 150, 300, false, true, false);
    one(10, 790, 260, true, false, true);
  }
});

const Test endTest("dense product and what follows it in one pass", [](Context& context, const char* set) {
  const auto owned = makeCpuDense(2, set);
  Dense& dense = *owned;
  for (const auto& [m, n, k] : {std::array{37, 50, 300}, std::array{256, 128, 200}, std::array{5, 10, 7}}) {
    const size_t size = static_cast<size_t>(m) * n;
    const std::vector<float> a = randomFloats(context, static_cast<size_t>(m) * k),
                             b = randomFloats(context, static_cast<size_t>(k) * n),
                             bias = randomFloats(context, static_cast<size_t>(n));
    std::vector<float> once(size), passes(size);
    dense.gemm({a.data(), b.data(), once.data(), m, n, k, false, true, false, true, bias.data()});
    dense.gemm({a.data(), b.data(), passes.data(), m, n, k, false, true, false});
    for (size_t i = 0; i < size; ++i) passes[i] += bias[i % static_cast<size_t>(n)];
    dense.unary(Unary::relu, passes.data(), passes.data(), size);
    context.check(once == passes, "the same numbers as in passes of their own");

    const std::vector<float> x = randomFloats(context, size);
    std::vector<float> gated(size), alone(size), sums = bias;
    dense.gateRows(x.data(), once.data(), m, n, gated.data(), sums.data());
    dense.gateRows(x.data(), once.data(), m, n, alone.data(), nullptr);
    double worst = 0;
    for (size_t j = 0; j < static_cast<size_t>(n); ++j) {
      double sum = static_cast<double>(bias[j]);
      for (size_t at = j; at < size; at += static_cast<size_t>(n))
        sum += once[at] > 0 ? static_cast<double>(x[at]) : 0.0;
      worst = std::max(worst, std::fabs(sum - static_cast<double>(sums[j])));
    }
    context.error("sums of columns", worst, 1e-5);
    bool right = gated == alone;
    for (size_t i = 0; i < size; ++i) right = right && gated[i] == (once[i] > 0 ? x[i] : 0.0f);
    context.check(right, "gated entries");
  }
});

const Test crossEntropyTest("dense cross entropy", [](Context& context, const char* set) {
  const auto owned = makeCpuDense(1, set);
  Dense& dense = *owned;
  for (const double smoothing : {0.0, 0.1}) {
    const int rows = 33, columns = 10;
    const size_t size = static_cast<size_t>(rows) * columns;
    std::vector<float> logits = randomFloats(context, size), weights = randomFloats(context, rows);
    for (float& x : logits) x *= 30;
    std::vector<int32_t> labels(rows);
    for (int32_t& label : labels) label = choose(context.random, 0, columns - 1);
    std::vector<float> normalisers(rows), losses(rows), gradient(size);
    const CrossEntropy problem{logits.data(), labels.data(), rows, columns, smoothing};
    dense.crossEntropies(problem, normalisers.data(), losses.data());
    dense.crossEntropyGradient(problem, normalisers.data(), weights.data(), gradient.data());
    double worstLoss = 0, worstGradient = 0;
    for (size_t row = 0; row < static_cast<size_t>(rows); ++row) {
      const float* x = logits.data() + row * columns;
      double sum = 0, mean = 0;
      for (int i = 0; i < columns; ++i) {
        sum += std::exp(static_cast<double>(x[i]));
        mean += static_cast<double>(x[i]) / columns;
      }
      const double normaliser = std::log(sum);
      const double loss =
          normaliser - (1 - smoothing) * static_cast<double>(x[labels[row]]) - smoothing * mean;
      worstLoss = std::max(worstLoss, std::fabs(loss - static_cast<double>(losses[row])));
      for (int i = 0; i < columns; ++i) {
        const double target = smoothing / columns + (i == labels[row] ? 1 - smoothing : 0);
        const double want =
            static_cast<double>(weights[row]) * (std::exp(static_cast<double>(x[i]) - normaliser) - target);
        const double got = static_cast<double>(gradient[row * columns + static_cast<size_t>(i)]);
        worstGradient = std::max(worstGradient, std::fabs(want - got));
      }
    }
    context.error("losses", worstLoss, 1e-5);
    context.error("gradient", worstGradient, 1e-5);
  }
});

const Test adamTest("dense adam", [](Context& context, const char* set) {
  const auto owned = makeCpuDense(1, set);
  Dense& dense = *owned;
  const size_t count = 1003;
  const std::vector<float> gradient = randomFloats(context, count), start = randomFloats(context, count);
  std::vector<float> weight = start, first(count), second(count), average = start;
  std::vector<float> weightAlone = start, firstAlone(count), secondAlone(count);
  std::vector<double> w(start.begin(), start.end()), m(count), v(count), kept = w;
  for (int step = 1; step <= 20; ++step) {
    const AdamStep adam{0.02f,
                        0.9f,
                        0.999f,
                        1e-8f,
                        1e-2f,
                        static_cast<float>(1 / (1 - std::pow(0.9, step))),
                        static_cast<float>(1 / (1 - std::pow(0.999, step))),
                        0.5f};
    dense.adam(adam, gradient.data(), weight.data(), first.data(), second.data(), count,
               {average.data(), 0.25f, 0.75f});
    dense.adam(adam, gradient.data(), weightAlone.data(), firstAlone.data(), secondAlone.data(), count);
    for (size_t i = 0; i < count; ++i) {
      const double g = 0.5 * static_cast<double>(gradient[i]) + 1e-2 * w[i];
      m[i] = 0.9 * m[i] + 0.1 * g;
      v[i] = 0.999 * v[i] + 0.001 * g * g;
      w[i] -=
          0.02 * m[i] / (1 - std::pow(0.9, step)) / (std::sqrt(v[i] / (1 - std::pow(0.999, step))) + 1e-8);
      kept[i] = 0.25 * w[i] + 0.75 * kept[i];
    }
  }
  double worst = 0, worstKept = 0;
  for (size_t i = 0; i < count; ++i) {
    // Where the gradient is next to nothing its sign decides, and rounding with it.
    if (std::fabs(gradient[i]) < 0.05f) continue;
    worst = std::max(worst, std::fabs(w[i] - static_cast<double>(weight[i])));
    worstKept = std::max(worstKept, std::fabs(kept[i] - static_cast<double>(average[i])));
  }
  context.error("weights", worst, 2e-5);
  context.error("average", worstKept, 2e-5);
  context.check(weight == weightAlone, "the same weights with and without an average");
});

const Test ascentTest("dense sign step along a product", [](Context& context, const char* set) {
  for (const int threads : {1, 3}) {
    const auto owned = makeCpuDense(threads, set);
    Dense& dense = *owned;
    for (const auto& [m, n, k] : {std::array{300, 784, 20}, std::array{7, 70000, 3}, std::array{5, 9, 200}}) {
      const size_t size = static_cast<size_t>(m) * n;
      const std::vector<float> a = randomFloats(context, static_cast<size_t>(m) * k),
                               b = randomFloats(context, static_cast<size_t>(k) * n),
                               centre = randomFloats(context, size);
      std::vector<float> gradient(size), x = centre, along = centre;
      const SignStep step{0.2f, 0.3f, -0.9f, 0.9f};
      dense.gemm({a.data(), b.data(), gradient.data(), m, n, k, false, false, false});
      dense.signStep(step, gradient.data(), centre.data(), x.data(), size);
      dense.signStepAlong(step, {a.data(), b.data(), m, n, k, centre.data(), along.data()});
      context.check(x == along, "the same points as by a gradient that is kept");
    }
  }
});

const Test denormalTest("dense: denormal numbers count as zero", [](Context& context, const char* set) {
  for (const int threads : {1, 3}) {
    const auto owned = makeCpuDense(threads, set);
    Dense& dense = *owned;
    const int size = 200;
    const size_t count = static_cast<size_t>(size) * size;
    const std::vector<float> tiny(count, 1e-40f), large(count, 1e30f);
    std::vector<float> c(count, 7.0f), first(count), second(count);
    dense.gemm({tiny.data(), large.data(), c.data(), size, size, size, false, true, false});
    context.check(std::all_of(c.begin(), c.end(), [](float x) { return x == 0; }), "products");
    // Weight decay alone, as on the weights of a neuron that no image reaches.
    std::vector<float> weight(count, 1e-30f);
    const std::vector<float> none(count);
    for (int step = 0; step < 200; ++step)
      dense.adam({1e-3f, 0.5f, 0.9f, 1e-8f, 1e-4f, 1, 1, 1}, none.data(), weight.data(), first.data(),
                 second.data(), count);
    const auto plain = [](float x) { return x == 0 || std::isnormal(x); };
    context.check(std::all_of(weight.begin(), weight.end(), plain), "weights");
    context.check(std::all_of(first.begin(), first.end(), plain), "moments");
    volatile float small = 1e-38f;
    context.check(small / 4 > 0, "only inside");
  }
});

const Test randomTest("dense random numbers", [](Context& context, const char* set) {
  const auto owned = makeCpuDense(1, set);
  Dense& dense = *owned;
  constexpr size_t kCount = 100001;
  std::vector<float> x(kCount), again(kCount), other(kCount);
  const auto moment = [&](int power) {
    double sum = 0;
    for (const float value : x) sum += std::pow(static_cast<double>(value), power);
    return sum / static_cast<double>(kCount);
  };
  dense.uniform(7, -1, 1, x.data(), kCount);
  dense.uniform(7, -1, 1, again.data(), kCount);
  dense.uniform(8, -1, 1, other.data(), kCount);
  context.check(x == again && x != other, "a function of the seed");
  context.check(std::all_of(x.begin(), x.end(), [](float value) { return value >= -1 && value < 1; }),
                "range");
  context.error("uniform mean", std::fabs(moment(1)), 0.01);
  context.error("uniform variance", std::fabs(moment(2) - 1.0 / 3), 0.01);
  double shared = 0;
  for (size_t i = 0; i < kCount; ++i) shared += static_cast<double>(x[i]) * static_cast<double>(other[i]);
  context.error("correlation of seeds", std::fabs(shared) / static_cast<double>(kCount), 0.01);
  dense.gaussian(7, 2, x.data(), kCount);
  context.error("normal mean", std::fabs(moment(1)), 0.04);
  context.error("normal variance", std::fabs(moment(2) / 4 - 1), 0.03);
  context.error("normal fourth moment", std::fabs(moment(4) / 48 - 1), 0.1);
});

}  // namespace
}  // namespace bulwark::selftest
