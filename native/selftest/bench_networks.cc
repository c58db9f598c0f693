#include "selftest/bench_networks.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <variant>

namespace bulwark::selftest {
namespace {

using Random = std::mt19937_64;

std::vector<double> weights(Random& random, size_t count, double deviation) {
  std::normal_distribution<double> normal(0, deviation);
  std::vector<double> values(count);
  for (double& value : values) value = static_cast<float>(normal(random));
  return values;
}

class Builder {
 public:
  Builder(std::string name, Shape in, double eps, bool clipped, bool large) : random_(7), shape_(in) {
    made_ = {std::move(name), {}, eps, clipped, large};
    made_.network.nodes.push_back({NodeKind::input, "input", in, {}, -1});
  }

  /// A square kernel, then a ReLU.
  Builder& conv(int channels, int kernel, int stride, int pad) {
    Conv conv;
    conv.in = shape_;
    const auto size = [&](int length) { return (length + 2 * pad - kernel) / stride + 1; };
    conv.out = {channels, size(shape_.height), size(shape_.width)};
    conv.kernel = {kernel, kernel};
    conv.strides = {stride, stride};
    conv.dilations = {1, 1};
    conv.pads = {pad, pad};
    // The norm of a random convolution is about the sum of the square roots of what a pixel reads and feeds.
    const double reads = shape_.channels * kernel * kernel;
    const double feeds = static_cast<double>(channels) * kernel * kernel / (stride * stride);
    conv.weight = weights(random_, static_cast<size_t>(channels) * shape_.channels * kernel * kernel,
                          1 / (std::sqrt(reads) + std::sqrt(feeds)));
    conv.bias = weights(random_, conv.out.size(), 0.05);
    add(conv, conv.out);
    return relu();
  }
  Builder& hidden(int features) {
    linear(features);
    return relu();
  }
  BenchNetwork output(int features) {
    linear(features);
    return made_;
  }

 private:
  void add(Affine affine, Shape out) {
    auto& network = made_.network;
    const int last = static_cast<int>(network.nodes.size()) - 1;
    network.nodes.push_back({NodeKind::affine,
                             "affine" + std::to_string(last),
                             out,
                             {last},
                             static_cast<int>(network.affines.size())});
    network.affines.push_back(std::move(affine));
    shape_ = out;
  }
  void linear(int features) {
    const int in = shape_.size();
    add(Linear{in, features,
               weights(random_, static_cast<size_t>(in) * features,
                       1 / (std::sqrt(in) + std::sqrt(features))),
               weights(random_, features, 0.05)},
        {features, 1, 1});
  }
  Builder& relu() {
    const int last = static_cast<int>(made_.network.nodes.size()) - 1;
    made_.network.nodes.push_back({NodeKind::relu, "relu" + std::to_string(last), shape_, {last}, -1});
    return *this;
  }

  Random random_;
  Shape shape_;
  BenchNetwork made_;
};

std::vector<BenchNetwork> build() {
  constexpr double kCifar = 24.0 / 255;
  return {
      Builder("MLP (MNIST)", {1, 28, 28}, 1, true, false).hidden(100).hidden(100).output(10),
      Builder("ConvSmall (MNIST)", {1, 28, 28}, 0.3, true, false)
          .conv(16, 4, 2, 1)
          .conv(32, 4, 2, 1)
          .hidden(100)
          .output(10),
      Builder("CNN-C (CIFAR-10)", {3, 32, 32}, kCifar, false, false)
          .conv(8, 4, 2, 0)
          .conv(16, 4, 2, 0)
          .hidden(128)
          .hidden(64)
          .output(10),
      Builder("ConvSmall (CIFAR-10)", {3, 32, 32}, kCifar, false, false)
          .conv(16, 4, 2, 0)
          .conv(32, 4, 2, 0)
          .hidden(100)
          .output(10),
      Builder("ConvLarge size (CIFAR-10)", {3, 32, 32}, kCifar, false, true)
          .conv(32, 3, 1, 1)
          .conv(32, 4, 2, 1)
          .conv(64, 3, 1, 1)
          .conv(64, 4, 2, 1)
          .hidden(512)
          .hidden(512)
          .output(10),
  };
}

}  // namespace

const std::vector<BenchNetwork>& benchNetworks() {
  static const std::vector<BenchNetwork> networks = build();
  return networks;
}

Region BenchNetwork::region(int count) const {
  Random random(11);
  Region made;
  made.kind = InputKind::l2;
  made.count = count;
  const size_t total = static_cast<size_t>(count) * network.inputSize();
  std::uniform_real_distribution<double> pixel(0, 1);
  for (size_t i = 0; i < total; ++i) made.center.push_back(static_cast<float>(pixel(random)));
  made.eps.assign(count, eps);
  if (!clipped) return made;
  made.lower.assign(total, 0);
  made.upper.assign(total, 1);
  return made;
}

Specification ninePerImage(int outputs) {
  Specification rows;
  rows.rowCount = outputs - 1;
  rows.shared = true;
  rows.c.assign(static_cast<size_t>(outputs - 1) * outputs, 0);
  rows.d.assign(outputs - 1, 0);
  for (int row = 0; row + 1 < outputs; ++row) {
    rows.c[static_cast<size_t>(row) * outputs] = 1;
    rows.c[static_cast<size_t>(row) * outputs + row + 1] = -1;
  }
  return rows;
}

double weightsApplied(const Affine& affine) {
  if (const auto* linear = std::get_if<Linear>(&affine)) return static_cast<double>(linear->in) * linear->out;
  const auto* conv = std::get_if<Conv>(&affine);
  if (!conv) return outputSize(affine);
  const auto inside = [&](int out, int in, int axis) {
    double taps = 0;
    for (int at = 0; at < out; ++at)
      for (int k = 0; k < conv->kernel[axis]; ++k) {
        const int from = at * conv->strides[axis] - conv->pads[axis] + k * conv->dilations[axis];
        taps += from >= 0 && from < in;
      }
    return taps;
  };
  return inside(conv->out.height, conv->in.height, 0) * inside(conv->out.width, conv->in.width, 1) *
         (conv->in.channels / conv->group) * conv->out.channels;
}

std::string describe(const Affine& affine) {
  if (const auto* conv = std::get_if<Conv>(&affine))
    return "conv " + std::to_string(conv->in.channels) + " -> " + std::to_string(conv->out.channels) + ", " +
           std::to_string(conv->in.height) + "x" + std::to_string(conv->in.width) + ", k" +
           std::to_string(conv->kernel[0]) + " s" + std::to_string(conv->strides[0]);
  return "linear " + std::to_string(inputSize(affine)) + " -> " + std::to_string(outputSize(affine));
}

int neuronsOf(const Network& network) {
  int count = 0;
  for (const Node& node : network.nodes)
    if (node.kind == NodeKind::relu) count += node.shape.size();
  return count;
}

}  // namespace bulwark::selftest
