#include "selftest/bounds_problems.h"

#include <algorithm>
#include <cmath>

#include "selftest/network_graphs.h"

namespace bulwark::selftest {
namespace {

/// The engine computes with float32 weights; what is folded in float64 is rounded too.
Network rounded(Network network) {
  const auto round = [](std::vector<double>& values) {
    for (double& value : values) value = static_cast<float>(value);
  };
  for (Affine& affine : network.affines) {
    if (auto* linear = std::get_if<Linear>(&affine)) {
      round(linear->weight);
      round(linear->bias);
    } else if (auto* conv = std::get_if<Conv>(&affine)) {
      round(conv->weight);
      round(conv->bias);
    } else if (auto* scale = std::get_if<Scale>(&affine)) {
      round(scale->scale);
      round(scale->shift);
    }
  }
  return network;
}

Network chain(Random& random) {
  GraphBuilder b({9});
  const int first = b.relu(b.linear(random, 0, {20}));
  const int second = b.relu(b.linear(random, first, {15}));
  b.linear(random, b.relu(b.linear(random, second, {12})), {5});
  return rounded(lower(b.nodes));
}

Network convolutions(Random& random) {
  GraphBuilder b({2, 6, 5});
  const int first = b.relu(b.conv(random, 0, 4, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 1));
  const int second = b.relu(b.conv(random, first, 6, {3, 2}, {2, 1}, {1, 1}, {0, 1, 2, 0}, 2));
  const int third = b.relu(b.conv(random, second, 3, {2, 2}, {1, 1}, {2, 2}, {1, 0, 0, 1}, 1));
  b.linear(random, third, {4});
  return rounded(lower(b.nodes));
}

Network residual(Random& random) {
  GraphBuilder b({2, 4, 4});
  const auto same = [&](int input, int channels) {
    return b.conv(random, input, channels, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 1);
  };
  const int stem = b.relu(same(0, 3));
  const int joined = b.relu(b.sum(same(b.relu(same(stem, 3)), 3), stem));
  const int shortcut = b.conv(random, joined, 4, {1, 1}, {2, 2}, {1, 1}, {0, 0, 0, 0}, 1);
  const int strided = b.conv(random, joined, 4, {3, 3}, {2, 2}, {1, 1}, {1, 1, 1, 1}, 1);
  b.linear(random, b.relu(b.sum(shortcut, same(b.relu(strided), 4))), {3});
  return rounded(lower(b.nodes));
}

/// Also: a ReLU of the input, an output that is a sum, and a scale that nothing can swallow.
Network shared(Random& random) {
  GraphBuilder b({6});
  const int z1 = b.linear(random, 0, {8});
  const int z2 = b.sum(b.linear(random, b.relu(z1), {8}), z1);
  const int z3 = b.sum(b.scale(random, b.relu(z2), false), z2);
  b.sum(b.linear(random, b.relu(z3), {3}), b.linear(random, b.relu(0), {3}));
  return rounded(lower(b.nodes));
}

/// The output is a ReLU itself.
Network positive(Random& random) {
  GraphBuilder b({5});
  b.relu(b.linear(random, b.relu(b.linear(random, 0, {11})), {4}));
  return rounded(lower(b.nodes));
}

}  // namespace

std::vector<NamedNetwork> boundsNetworks(Random& random) {
  std::vector<NamedNetwork> networks;
  networks.push_back({"chain", chain(random)});
  networks.push_back({"convolutions", convolutions(random)});
  networks.push_back({"residual", residual(random)});
  networks.push_back({"shared", shared(random)});
  networks.push_back({"positive", positive(random)});
  return networks;
}

std::vector<NamedRegion> boundsRegions(Random& random, int count, int size) {
  std::vector<NamedRegion> regions;
  const auto add = [&](const char* name, InputKind kind, bool clipped) {
    Region region;
    region.kind = kind;
    region.count = count;
    for (int image = 0; image < count; ++image) {
      const double eps = static_cast<float>(std::pow(10, uniform(random, -2.5, 0)));
      if (kind != InputKind::box) region.eps.push_back(eps);
      for (int i = 0; i < size; ++i) {
        // Multiples of 1/64, so that ends and centre have float32 deviations.
        const double x = choose(random, 0, 64) / 64.0;
        region.center.push_back(x);
        if (kind == InputKind::box) {
          region.lower.push_back(x - choose(random, 0, 16) / 64.0);
          region.upper.push_back(x + choose(random, 0, 16) / 64.0);
        } else if (clipped) {
          region.lower.push_back(0);
          region.upper.push_back(1);
        }
      }
    }
    regions.push_back({name, std::move(region)});
  };
  add("box", InputKind::box, false);
  add("l1", InputKind::l1, false);
  add("clipped l1", InputKind::l1, true);
  add("l2", InputKind::l2, false);
  add("clipped l2", InputKind::l2, true);
  return regions;
}

ReadyRows::ReadyRows(Random& random, const Images& images, Backend& backend, int blocks,
                     const DualPreset& preset)
    : batch(images, backend, static_cast<int>(images.prepared().network.nodes.size()) - 1, blocks, preset),
      backend_(backend) {
  const int outputs = images.prepared().network.outputSize();
  std::vector<float> packed;
  std::vector<int32_t> from;
  for (int row = 0; row < batch.rows(); ++row) {
    std::vector<double>& coefficients = c.emplace_back();
    for (int j = 0; j < outputs; ++j) {
      packed.push_back(static_cast<float>(normal(random)));
      coefficients.push_back(packed.back());
    }
    from.push_back(row);
    image.push_back(row % images.count());
  }
  backend.pack(packed.data(), batch.rows(), batch.staging());
  batch.load(from, image);
}

void ReadyRows::evaluate(std::vector<double>& value) {
  batch.evaluate();
  value.resize(batch.rows());
  backend_.read(batch.value(), value.data());
}

void ReadyRows::ascend(double step, double correction) {
  backend_.fill(batch.step(), static_cast<float>(step));
  backend_.fill(batch.correction(), static_cast<float>(correction));
  batch.ascend();
}

}  // namespace bulwark::selftest
