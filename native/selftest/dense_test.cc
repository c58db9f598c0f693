// Row-major arithmetic against plain float64 loops, for every instruction set and thread count.
#include "kernels/dense.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "selftest/batch.h"
#include "selftest/harness.h"

namespace bulwark::selftest {
namespace {

std::vector<float> randomFloats(Context& context, size_t count) {
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(uniform(context.random, -1, 1));
  return values;
}

const Test gemmTest("dense gemm", [](Context& context, Backend& backend) {
  for (const int threads : {1, 3}) {
    Dense dense(threads, backend.name());
    const auto one = [&](int m, int n, int k, bool transposeA, bool transposeB, bool accumulate) {
      const std::vector<float> a = randomFloats(context, static_cast<size_t>(m) * k),
                               b = randomFloats(context, static_cast<size_t>(k) * n);
      std::vector<float> c = randomFloats(context, static_cast<size_t>(m) * n);
      const std::vector<float> before = c;
      dense.gemm({a.data(), b.data(), c.data(), m, n, k, transposeA, transposeB, accumulate});
      double worst = 0;
      for (int i = 0; i < m; ++i)
        for (int j = 0; j < n; ++j) {
          double sum = accumulate ? static_cast<double>(before[static_cast<size_t>(i) * n + j]) : 0.0;
          for (int l = 0; l < k; ++l)
            sum += static_cast<double>(transposeA ? a[static_cast<size_t>(l) * m + i]
                                                  : a[static_cast<size_t>(i) * k + l]) *
                   static_cast<double>(transposeB ? b[static_cast<size_t>(j) * k + l]
                                                  : b[static_cast<size_t>(l) * n + j]);
          const double error = std::fabs(sum - static_cast<double>(c[static_cast<size_t>(i) * n + j]));
          worst = error <= worst ? worst : error;
        }
      context.error("product", worst, 1e-6 * (k + 1));
    };
    for (int round = 0; round < 24; ++round)
      one(choose(context.random, 1, 40), choose(context.random, 1, 70), choose(context.random, 0, 450),
          round % 2 != 0, round % 4 > 1, round % 8 > 3);
    one(140, 150, 300, false, true, false);
    one(10, 790, 260, true, false, true);
  }
});

const Test convolutionTest("dense convolution", [](Context& context, Backend& backend) {
  Dense dense(1, backend.name());
  for (int round = 0; round < 12; ++round) {
    const DenseConv conv{choose(context.random, 1, 3),
                         choose(context.random, 1, 3),
                         choose(context.random, 4, 9),
                         choose(context.random, 4, 9),
                         choose(context.random, 1, 5),
                         {choose(context.random, 1, 4), choose(context.random, 1, 4)},
                         {choose(context.random, 1, 2), choose(context.random, 1, 2)},
                         {choose(context.random, 0, 2), choose(context.random, 0, 2)}};
    const size_t inputs = static_cast<size_t>(conv.images) * conv.channels * conv.height * conv.width;
    const size_t weights = static_cast<size_t>(conv.outputs) * conv.fanIn();
    const size_t outputs = static_cast<size_t>(conv.images) * conv.outputs * conv.positions();
    const std::vector<float> x = randomFloats(context, inputs), w = randomFloats(context, weights),
                             y = randomFloats(context, outputs);
    std::vector<double> forward(outputs), input(inputs), weight(weights);
    for (int n = 0; n < conv.images; ++n)
      for (int o = 0; o < conv.outputs; ++o)
        for (int oy = 0; oy < conv.outHeight(); ++oy)
          for (int ox = 0; ox < conv.outWidth(); ++ox)
            for (int c = 0; c < conv.channels; ++c)
              for (int ky = 0; ky < conv.kernel[0]; ++ky)
                for (int kx = 0; kx < conv.kernel[1]; ++kx) {
                  const int iy = oy * conv.strides[0] - conv.pads[0] + ky;
                  const int ix = ox * conv.strides[1] - conv.pads[1] + kx;
                  if (iy < 0 || ix < 0 || iy >= conv.height || ix >= conv.width) continue;
                  const size_t at =
                      static_cast<size_t>(((n * conv.channels + c) * conv.height + iy) * conv.width + ix);
                  const size_t to = static_cast<size_t>(
                      ((n * conv.outputs + o) * conv.outHeight() + oy) * conv.outWidth() + ox);
                  const size_t by = static_cast<size_t>(
                      ((o * conv.channels + c) * conv.kernel[0] + ky) * conv.kernel[1] + kx);
                  forward[to] += static_cast<double>(x[at]) * static_cast<double>(w[by]);
                  input[at] += static_cast<double>(y[to]) * static_cast<double>(w[by]);
                  weight[by] += static_cast<double>(y[to]) * static_cast<double>(x[at]);
                }
    const auto compare = [&](const char* what, const std::vector<float>& got,
                             const std::vector<double>& want) {
      double worst = 0;
      for (size_t i = 0; i < got.size(); ++i) {
        const double error = std::fabs(static_cast<double>(got[i]) - want[i]);
        worst = error <= worst ? worst : error;
      }
      context.error(what, worst, 3e-5);
    };
    std::vector<float> got(outputs);
    dense.convolve(conv, x.data(), w.data(), got.data());
    compare("forward", got, forward);
    got.assign(inputs, 9.0f);
    dense.convolveInput(conv, y.data(), w.data(), got.data());
    compare("input adjoint", got, input);
    got.assign(weights, 9.0f);
    dense.convolveWeight(conv, x.data(), y.data(), got.data());
    compare("weight adjoint", got, weight);
  }
});

const Test randomTest("dense random numbers", [](Context& context, Backend& backend) {
  Dense dense(1, backend.name());
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
