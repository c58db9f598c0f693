#include "selftest/training_bench.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "selftest/device_floats.h"

namespace bulwark::selftest {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::array<int, 4> kSizes{784, 128, 128, 10};
constexpr int kLayers = 3, kBatch = 256, kAttackSteps = 10;
constexpr SignStep kStep{0.01f, 0.08f, 0, 1};

size_t area(int rows, int columns) { return static_cast<size_t>(rows) * static_cast<size_t>(columns); }

DeviceFloats drawn(Dense& dense, size_t count, uint64_t seed, float low, float high) {
  DeviceFloats made(dense, count);
  dense.uniform(seed, low, high, made.data(), count);
  return made;
}

/// A network, a batch, and what a step makes of them: the operations that the tape asks for, in its order.
class Step {
 public:
  explicit Step(Dense& dense)
      : dense_(dense),
        images_(drawn(dense, area(kBatch, kSizes[0]), 1, 0, 1)),
        attacked_(drawn(dense, area(kBatch, kSizes[0]), 2, 0, 1)),
        normalisers_(dense, kBatch),
        losses_(dense, kBatch),
        shares_(dense, std::vector<float>(kBatch, 1.0f / kBatch)),
        labels_(kBatch) {
    for (int i = 0; i < kBatch; ++i) labels_[static_cast<size_t>(i)] = i % kSizes[kLayers];
    for (int k = 0; k < kLayers; ++k) {
      const size_t layer = static_cast<size_t>(k), outputs = static_cast<size_t>(kSizes[layer + 1]);
      const size_t weights = area(kSizes[layer], kSizes[layer + 1]);
      weight_.push_back(drawn(dense, weights, 10 + layer, -0.08f, 0.08f));
      bias_.push_back(drawn(dense, outputs, 20 + layer, 0, 0));
      values_.push_back(DeviceFloats(dense, area(kBatch, kSizes[layer + 1])));
      gradients_.push_back(DeviceFloats(dense, area(kBatch, kSizes[layer + 1])));
      opened_.push_back(DeviceFloats(dense, area(kBatch, kSizes[layer + 1])));
      byWeight_.push_back(DeviceFloats(dense, weights));
      byBias_.push_back(DeviceFloats(dense, outputs));
      for (const size_t count : {weights, weights, outputs, outputs})
        moments_.push_back(DeviceFloats(dense, std::vector<float>(count)));
    }
  }

  void train() {
    loss(images_);
    for (int k = kLayers - 1; k >= 0; --k) {
      const size_t layer = static_cast<size_t>(k);
      const int in = kSizes[layer], out = kSizes[layer + 1];
      dense_.fill(byBias_[layer].data(), byBias_[layer].size(), 0);
      const float* open = opened(k, byBias_[layer].data());
      const float* read = k > 0 ? values_[layer - 1].data() : images_.data();
      dense_.gemm({open, read, byWeight_[layer].data(), out, in, kBatch, true, false, false});
      if (k > 0) toInputs(k, open);
    }
    const AdamStep adam{1e-4f, 0.9f, 0.999f, 1e-8f, 1e-4f, 10, 1000, 1};
    for (size_t layer = 0; layer < kLayers; ++layer) {
      dense_.adam(adam, byWeight_[layer].data(), weight_[layer].data(), moments_[4 * layer].data(),
                  moments_[4 * layer + 1].data(), weight_[layer].size());
      dense_.adam(adam, byBias_[layer].data(), bias_[layer].data(), moments_[4 * layer + 2].data(),
                  moments_[4 * layer + 3].data(), bias_[layer].size());
    }
  }

  void attack() {
    dense_.copy(images_.data(), attacked_.data(), images_.size());
    for (int step = 0; step < kAttackSteps; ++step) {
      loss(attacked_);
      for (int k = kLayers - 1; k > 0; --k) toInputs(k, opened(k, nullptr));
      dense_.signStepAlong(kStep, {opened(0, nullptr), weight_[0].data(), kBatch, kSizes[0], kSizes[1],
                                   images_.data(), attacked_.data()});
    }
  }

  /// Waits for all that was asked for.
  void finish() { losses_.read(); }

 private:
  void loss(const DeviceFloats& images) {
    const float* read = images.data();
    for (size_t layer = 0; layer < kLayers; ++layer) {
      dense_.gemm({read, weight_[layer].data(), values_[layer].data(), kBatch, kSizes[layer + 1],
                   kSizes[layer], false, true, false, layer + 1 < kLayers, bias_[layer].data()});
      read = values_[layer].data();
    }
    const CrossEntropy problem{read, labels_.data(), kBatch, kSizes[kLayers], 0};
    dense_.crossEntropies(problem, normalisers_.data(), losses_.data());
    dense_.crossEntropyGradient(problem, normalisers_.data(), shares_.data(), gradients_.back().data());
  }

  /// The gradient before a layer's ReLU, its columns added to `sums`.
  const float* opened(int k, float* sums) {
    const size_t layer = static_cast<size_t>(k);
    const int out = kSizes[layer + 1];
    if (k + 1 < kLayers) {
      dense_.gateRows(gradients_[layer].data(), values_[layer].data(), kBatch, out, opened_[layer].data(),
                      sums);
      return opened_[layer].data();
    }
    if (sums) dense_.addReduced({2, {kBatch, out}, {{{0, 1}, {}}}}, gradients_[layer].data(), sums);
    return gradients_[layer].data();
  }

  void toInputs(int k, const float* open) {
    const size_t layer = static_cast<size_t>(k);
    dense_.gemm({open, weight_[layer].data(), gradients_[layer - 1].data(), kBatch, kSizes[layer],
                 kSizes[layer + 1], false, false, false});
  }

  Dense& dense_;
  DeviceFloats images_, attacked_, normalisers_, losses_, shares_;
  std::vector<int32_t> labels_;
  std::vector<DeviceFloats> weight_, bias_, values_, gradients_, opened_, byWeight_, byBias_, moments_;
};

class Bench {
 public:
  Bench(Dense& dense, double budget, std::FILE* out) : dense_(dense), budget_(budget), out_(out) {}

  void steps() {
    Step step(dense_);
    const double plain = seconds([&] { step.train(); }, [&] { step.finish(); });
    const double attacked = seconds(
        [&] {
          step.attack();
          step.train();
        },
        [&] { step.finish(); });
    std::fprintf(out_, "  step of 784-128-128-10, batch 256 %12.1f us, on PGD-10 images %12.1f us\n",
                 plain * 1e6, attacked * 1e6);
  }

  void product(int m, int n, int k, bool transposeA, bool transposeB) {
    const DeviceFloats a = drawn(dense_, area(m, k), 1, -1, 1), b = drawn(dense_, area(k, n), 2, -1, 1);
    const DeviceFloats c(dense_, area(m, n));
    const std::string name = "product " + std::to_string(m) + " x " + std::to_string(n) + " x " +
                             std::to_string(k) + (transposeA ? ", a turned" : "") +
                             (transposeB ? ", b turned" : "");
    rate(name, 2.0 * m * n * k, c,
         [&] { dense_.gemm({a.data(), b.data(), c.data(), m, n, k, transposeA, transposeB, false}); });
  }

  void convolutions(const DenseConv& conv) {
    const size_t images = static_cast<size_t>(conv.images), weights = area(conv.outputs, conv.fanIn());
    const DeviceFloats x = drawn(dense_, images * area(conv.channels * conv.height, conv.width), 1, -1, 1),
                       w = drawn(dense_, weights, 2, -1, 1),
                       y = drawn(dense_, images * area(conv.outputs, conv.positions()), 3, -1, 1);
    const double flops = 2.0 * conv.images * conv.positions() * static_cast<double>(weights);
    const std::string name = "conv " + std::to_string(conv.channels) + " -> " + std::to_string(conv.outputs);
    rate(name + ", forward", flops, y, [&] { dense_.convolve(conv, x.data(), w.data(), y.data()); });
    rate(name + ", to inputs", flops, x, [&] { dense_.convolveInput(conv, y.data(), w.data(), x.data()); });
    rate(name + ", to weights", flops, w, [&] { dense_.convolveWeight(conv, x.data(), y.data(), w.data()); });
  }

 private:
  /// Of one call: the fastest of three stretches, the device's work included.
  double seconds(const std::function<void()>& call, const std::function<void()>& finish) const {
    const auto stretch = [&](int calls) {
      const auto start = Clock::now();
      for (int i = 0; i < calls; ++i) call();
      finish();
      return std::chrono::duration<double>(Clock::now() - start).count();
    };
    stretch(1);
    int calls = 1;
    double best = stretch(calls);
    while (best < budget_ / 10) best = stretch(calls *= 2);
    for (int i = 0; i < 2; ++i) best = std::min(best, stretch(calls));
    return best / calls;
  }

  void rate(const std::string& name, double flops, const DeviceFloats& result,
            const std::function<void()>& call) const {
    const double time = seconds(call, [&] { result.read(); });
    std::fprintf(out_, "  %-44s %12.1f us %12.1f GFLOP/s\n", name.c_str(), time * 1e6, flops / time / 1e9);
  }

  Dense& dense_;
  const double budget_;
  std::FILE* const out_;
};

}  // namespace

void benchTraining(Device& device, int threads, double budget, std::FILE* out) {
  const auto dense = device.makeDense(threads);
  Bench bench(*dense, budget, out);
  std::fprintf(out, "training on %s, %d threads of the host\n", device.kind(), dense->threads());
  bench.steps();
  for (const auto& [m, n, k] : {std::array{256, 128, 784}, std::array{2048, 2048, 2048}}) {
    bench.product(m, n, k, false, true);
    bench.product(m, n, k, false, false);
    bench.product(m, n, k, true, false);
  }
  bench.convolutions({256, 16, 14, 14, 32, {4, 4}, {2, 2}, {1, 1}});
  bench.convolutions({256, 64, 16, 16, 64, {3, 3}, {1, 1}, {1, 1}});
}

}  // namespace bulwark::selftest
