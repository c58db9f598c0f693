// Products, convolutions and steps of training's arithmetic against plain float64 loops, wherever it
// computes; see dense_checks.h.
#include <algorithm>
#include <array>
#include <cmath>

#include "selftest/batch.h"
#include "selftest/dense_checks.h"
#include "selftest/harness.h"

namespace bulwark::selftest {
namespace {

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
