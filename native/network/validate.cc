#include "network/validate.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>

namespace bulwark {
namespace {

using graph::Node;
using Nodes = std::vector<Node>;

/// As the reader allows. One row takes up to 64 bytes a feature, in a block of lanes.
constexpr int64_t kMostFeatures = 1 << 26;

std::string text(const std::vector<int>& shape) {
  std::string result = "[";
  for (size_t i = 0; i < shape.size(); ++i) result += (i ? ", " : "") + std::to_string(shape[i]);
  return result + "]";
}

[[noreturn]] void fail(const Node& node, const std::string& what) {
  throw std::invalid_argument("node '" + node.name + "': " + what);
}

[[noreturn]] void failShapes(const Node& node, const char* op, const std::vector<int>& input) {
  fail(node,
       std::string(op) + " from shape " + text(input) + " to shape " + text(node.shape) + " does not fit");
}

void requireSize(const Node& node, const char* what, size_t given, int64_t expected) {
  if (static_cast<int64_t>(given) == expected) return;
  fail(node, std::string(what) + " has " + std::to_string(given) + " values, expected " +
                 std::to_string(expected) + " for output shape " + text(node.shape));
}

void requireFinite(const Node& node, const char* what, const std::vector<double>& values) {
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i])) continue;
    fail(node, std::string(what) + "[" + std::to_string(i) + "] is " + std::to_string(values[i]) +
                   ", expected a finite number");
  }
}

void checkShape(const Node& node) {
  if (node.shape.size() != 1 && node.shape.size() != 3) {
    fail(node, "shape " + text(node.shape) + " is neither [n] nor [channels, height, width]");
  }
  int64_t size = 1;
  for (const int extent : node.shape) {
    if (extent < 1) fail(node, "shape " + text(node.shape) + " has an extent below 1");
    size *= extent;
    if (size > std::numeric_limits<int32_t>::max()) {
      fail(node, "shape " + text(node.shape) + " has more than 2^31 - 1 features");
    }
  }
}

void checkInputs(const Nodes& nodes, int id) {
  const Node& node = nodes[id];
  const bool isInput = std::holds_alternative<graph::Input>(node.op);
  if (isInput != (id == 0)) fail(node, isInput ? "an input after node 0" : "node 0 is not an input");
  const size_t expected = isInput ? 0 : std::holds_alternative<graph::Add>(node.op) ? 2 : 1;
  if (node.inputs.size() != expected) {
    fail(node, std::to_string(node.inputs.size()) + " inputs, expected " + std::to_string(expected));
  }
  for (const int input : node.inputs) {
    if (input < 0 || input >= id) {
      fail(node, "input " + std::to_string(input) + " is not a node before node " + std::to_string(id));
    }
  }
}

void checkConv(const Node& node, const graph::Conv& conv, const std::vector<int>& in) {
  const std::vector<int>& out = node.shape;
  if (in.size() != 3 || out.size() != 3) failShapes(node, "a convolution", in);
  for (int axis = 0; axis < 2; ++axis) {
    if (conv.kernel[axis] < 1 || conv.strides[axis] < 1 || conv.dilations[axis] < 1) {
      fail(node, "kernel, strides and dilations must be at least 1");
    }
    if (conv.pads[axis] < 0 || conv.pads[axis + 2] < 0) fail(node, "negative padding");
  }
  if (conv.group < 1 || in[0] % conv.group != 0 || out[0] % conv.group != 0) {
    fail(node, "group " + std::to_string(conv.group) + " does not divide the channels of input shape " +
                   text(in) + " and output shape " + text(out));
  }
  for (int axis = 0; axis < 2; ++axis) {
    const int64_t padded = int64_t{in[axis + 1]} + conv.pads[axis] + conv.pads[axis + 2];
    const int64_t reach = int64_t{conv.dilations[axis]} * (conv.kernel[axis] - 1) + 1;
    if (padded < reach || (padded - reach) / conv.strides[axis] + 1 != out[axis + 1]) {
      failShapes(node, "a convolution", in);
    }
  }
  const int64_t taps = int64_t{conv.kernel[0]} * conv.kernel[1];
  requireSize(node, "weight", conv.weight.size(), int64_t{out[0]} * (in[0] / conv.group) * taps);
  requireSize(node, "bias", conv.bias.size(), out[0]);
  requireFinite(node, "weight", conv.weight);
  requireFinite(node, "bias", conv.bias);
}

void checkOperator(const Nodes& nodes, const Node& node) {
  const std::vector<int>& in = nodes[node.inputs[0]].shape;
  const int inSize = featureCount(in), outSize = featureCount(node.shape);
  if (const auto* linear = std::get_if<graph::Linear>(&node.op)) {
    requireSize(node, "weight", linear->weight.size(), int64_t{outSize} * inSize);
    requireSize(node, "bias", linear->bias.size(), outSize);
    requireFinite(node, "weight", linear->weight);
    requireFinite(node, "bias", linear->bias);
  } else if (const auto* conv = std::get_if<graph::Conv>(&node.op)) {
    checkConv(node, *conv, in);
  } else if (const auto* scale = std::get_if<graph::Scale>(&node.op)) {
    if (in != node.shape) failShapes(node, "a scale", in);
    requireSize(node, "scale", scale->scale.size(), outSize);
    requireSize(node, "shift", scale->shift.size(), outSize);
    requireFinite(node, "scale", scale->scale);
    requireFinite(node, "shift", scale->shift);
  } else if (const auto* index = std::get_if<graph::Index>(&node.op)) {
    requireSize(node, "indices", index->source.size(), outSize);
    for (size_t i = 0; i < index->source.size(); ++i) {
      if (index->source[i] >= -1 && index->source[i] < inSize) continue;
      fail(node, "indices[" + std::to_string(i) + "] is " + std::to_string(index->source[i]) +
                     ", expected -1 or a feature of input shape " + text(in));
    }
  } else if (std::holds_alternative<graph::Reshape>(node.op)) {
    if (inSize != outSize) failShapes(node, "a reshape", in);
  } else if (std::holds_alternative<graph::Relu>(node.op)) {
    if (in != node.shape) failShapes(node, "a ReLU", in);
  } else if (std::holds_alternative<graph::Add>(node.op)) {
    const std::vector<int>& other = nodes[node.inputs[1]].shape;
    if (in != node.shape || other != node.shape) {
      fail(node, "an add of shapes " + text(in) + " and " + text(other) + " to shape " + text(node.shape) +
                     " does not fit");
    }
  }
}

}  // namespace

int featureCount(const std::vector<int>& shape) {
  int size = 1;
  for (const int extent : shape) size *= extent;
  return size;
}

void validate(const Nodes& nodes) {
  if (nodes.empty()) throw std::invalid_argument("a network needs at least its input node");
  int64_t features = 0;
  for (int id = 0; id < static_cast<int>(nodes.size()); ++id) {
    checkShape(nodes[id]);
    features += featureCount(nodes[id].shape);
    if (features > kMostFeatures) {
      fail(nodes[id], "the network up to here has " + std::to_string(features) + " features, more than 2^26");
    }
    checkInputs(nodes, id);
    if (id > 0) checkOperator(nodes, nodes[id]);
  }
}

}  // namespace bulwark
