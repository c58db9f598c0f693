#include "network/reference.h"

#include <cmath>
#include <utility>

#include "network/conv_walk.h"

namespace bulwark::reference {
namespace {

/// Calls visit(output, input, weight) for every entry of A that may be nonzero.
template <class Visit>
void walk(const Affine& affine, Visit&& visit) {
  if (const auto* linear = std::get_if<Linear>(&affine)) {
    const double* weight = linear->weight.data();
    for (int o = 0; o < linear->out; ++o) {
      for (int i = 0; i < linear->in; ++i) visit(o, i, *weight++);
    }
  } else if (const auto* conv = std::get_if<Conv>(&affine)) {
    forEachEntry(*conv, visit);
  } else if (const auto* scale = std::get_if<Scale>(&affine)) {
    for (int i = 0; i < static_cast<int>(scale->scale.size()); ++i) visit(i, i, scale->scale[i]);
  } else {
    const std::vector<int32_t>& source = std::get<Index>(affine).source;
    for (int o = 0; o < static_cast<int>(source.size()); ++o) {
      if (source[o] >= 0) visit(o, source[o], 1.0);
    }
  }
}

const std::vector<double>* biasOf(const Affine& affine) {
  if (const auto* linear = std::get_if<Linear>(&affine)) return &linear->bias;
  if (const auto* conv = std::get_if<Conv>(&affine)) return &conv->bias;
  if (const auto* scale = std::get_if<Scale>(&affine)) return &scale->shift;
  return nullptr;
}

}  // namespace

std::vector<double> applyLinear(const Affine& affine, const double* x) {
  std::vector<double> y(outputSize(affine));
  walk(affine, [&](int o, int i, double weight) { y[o] += weight * x[i]; });
  return y;
}

std::vector<double> applyAdjoint(const Affine& affine, const double* y) {
  std::vector<double> x(inputSize(affine));
  walk(affine, [&](int o, int i, double weight) { x[i] += weight * y[o]; });
  return x;
}

std::vector<double> applyMagnitude(const Affine& affine, const double* x) {
  std::vector<double> y(outputSize(affine));
  walk(affine, [&](int o, int i, double weight) { y[o] += std::fabs(weight) * x[i]; });
  return y;
}

std::vector<double> apply(const Affine& affine, const double* x) {
  std::vector<double> y = applyLinear(affine, x);
  if (const std::vector<double>* bias = biasOf(affine)) {
    for (size_t o = 0; o < y.size(); ++o) y[o] += (*bias)[o];
  }
  return y;
}

std::vector<std::vector<double>> forwardAll(const Network& network, const double* x) {
  std::vector<std::vector<double>> values;
  for (const Node& node : network.nodes) {
    if (node.kind == NodeKind::input) {
      values.emplace_back(x, x + network.inputSize());
    } else if (node.kind == NodeKind::affine) {
      values.push_back(apply(network.affines[node.affine], values[node.inputs[0]].data()));
    } else {
      std::vector<double> value = values[node.inputs[0]];
      for (size_t i = 0; i < value.size(); ++i) {
        if (node.kind == NodeKind::add) {
          value[i] += values[node.inputs[1]][i];
        } else if (value[i] < 0) {
          value[i] = 0;
        }
      }
      values.push_back(std::move(value));
    }
  }
  return values;
}

std::vector<double> forward(const Network& network, const double* x) {
  return std::move(forwardAll(network, x).back());
}

}  // namespace bulwark::reference
