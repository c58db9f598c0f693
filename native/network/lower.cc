#include <optional>
#include <utility>

#include "network/conv_walk.h"
#include "network/fold.h"
#include "network/network.h"
#include "network/validate.h"

namespace bulwark {
namespace {

Shape toShape(const std::vector<int>& shape) {
  if (shape.size() == 1) return {1, 1, shape[0]};
  return {shape[0], shape[1], shape[2]};
}

/// position[f] = where ONNX feature f is stored.
std::vector<int32_t> positions(const Shape& shape) {
  const std::vector<int32_t> features = order(shape);
  std::vector<int32_t> result(features.size());
  for (size_t i = 0; i < features.size(); ++i) result[features[i]] = static_cast<int32_t>(i);
  return result;
}

template <class Value>
std::vector<Value> gather(const std::vector<Value>& values, const std::vector<int32_t>& source) {
  std::vector<Value> result(source.size());
  for (size_t i = 0; i < source.size(); ++i) result[i] = values[source[i]];
  return result;
}

Linear toStored(const graph::Linear& linear, const Shape& in, const Shape& out) {
  const std::vector<int32_t> columns = order(in), rows = order(out);
  Linear result{in.size(), out.size(), std::vector<double>(linear.weight.size()), gather(linear.bias, rows)};
  double* to = result.weight.data();
  for (const int32_t row : rows) {
    const double* from = linear.weight.data() + static_cast<size_t>(row) * columns.size();
    for (const int32_t column : columns) *to++ = from[column];
  }
  return result;
}

Conv toStored(const graph::Conv& conv, const Shape& in, const Shape& out) {
  Conv result;
  result.in = in;
  result.out = out;
  result.group = conv.group;
  result.kernel = conv.kernel;
  result.strides = conv.strides;
  result.dilations = conv.dilations;
  result.pads = {conv.pads[0], conv.pads[1]};
  result.weight = conv.weight;
  result.bias.reserve(out.size());
  for (int pixel = 0; pixel < out.pixels(); ++pixel) {
    result.bias.insert(result.bias.end(), conv.bias.begin(), conv.bias.end());
  }
  return result;
}

/// A convolution with one output pixel that sees the whole map is a matrix.
std::optional<Linear> asMatrix(const Conv& conv) {
  if (conv.out.pixels() != 1 || conv.group != 1) return {};
  int seen = 0;
  forEachTap(conv, [&](int, int, int) { ++seen; });
  if (seen != conv.in.pixels()) return {};
  Linear result{conv.in.size(), conv.out.size(), {}, conv.bias};
  result.weight.resize(static_cast<size_t>(result.in) * result.out);
  forEachEntry(conv, [&](int o, int i, double weight) {
    result.weight[static_cast<size_t>(o) * result.in + i] = weight;
  });
  return result;
}

Index toStored(const graph::Index& index, const Shape& in, const Shape& out) {
  const std::vector<int32_t> position = positions(in);
  Index result{in.size(), gather(index.source, order(out))};
  for (int32_t& source : result.source) source = source < 0 ? -1 : position[source];
  return result;
}

/// Turns graph nodes into network nodes one by one; the graph's node `id` becomes network node `at[id]`.
class Lowering {
 public:
  explicit Lowering(const std::vector<graph::Node>& graph) : graph_(graph) {}

  Network run(Folding folding) {
    network_.nodes.push_back({NodeKind::input, graph_[0].name, inputShape(), {}, -1});
    at_.push_back(0);
    for (size_t id = 1; id < graph_.size(); ++id) at_.push_back(add(graph_[id]));
    // Where the output is a reshape of an earlier node, the nodes after that one lead nowhere.
    network_.nodes.resize(at_.back() + 1);
    network_ = simplify(std::move(network_));
    return folding == Folding::none ? std::move(network_) : fold(std::move(network_));
  }

 private:
  /// The input is stored as the map that a convolution reads it as, be it behind scales and padding, or
  /// else in ONNX order.
  Shape inputShape() const {
    for (const graph::Node& node : graph_) {
      if (!std::holds_alternative<graph::Conv>(node.op)) continue;
      int id = node.inputs[0];
      std::vector<int> wanted = graph_[id].shape;
      while (id > 0) {
        const graph::Node& reader = graph_[id];
        if (std::holds_alternative<graph::Index>(reader.op)) {
          const std::vector<int>& source = graph_[reader.inputs[0]].shape;
          if (source.size() != 3 || source[0] != wanted[0]) break;  // not padding
          wanted = source;
        } else if (!std::holds_alternative<graph::Reshape>(reader.op) &&
                   !std::holds_alternative<graph::Scale>(reader.op)) {
          break;
        }
        id = reader.inputs[0];
      }
      if (id == 0) return toShape(wanted);
    }
    return {1, 1, featureCount(graph_[0].shape)};
  }

  int add(const graph::Node& node) {
    const int input = at_[node.inputs[0]];
    const Shape in = network_.nodes[input].shape;
    const Shape out = toShape(node.shape);
    if (std::holds_alternative<graph::Reshape>(node.op)) return input;
    if (std::holds_alternative<graph::Relu>(node.op)) return push(NodeKind::relu, node.name, in, {input});
    if (std::holds_alternative<graph::Add>(node.op)) {
      const int other = stored(at_[node.inputs[1]], in, node.name);
      return push(NodeKind::add, node.name, in, {input, other});
    }
    if (const auto* linear = std::get_if<graph::Linear>(&node.op)) {
      return push(node.name, toStored(*linear, in, out), out, input);
    }
    if (const auto* conv = std::get_if<graph::Conv>(&node.op)) {
      const Shape map = toShape(graph_[node.inputs[0]].shape);
      const int source = stored(input, map, node.name);
      Conv result = toStored(*conv, map, out);
      if (std::optional<Linear> matrix = asMatrix(result))
        return push(node.name, std::move(*matrix), out, source);
      return push(node.name, std::move(result), out, source);
    }
    if (const auto* scale = std::get_if<graph::Scale>(&node.op)) {
      const std::vector<int32_t> features = order(in);
      return push(node.name, Scale{gather(scale->scale, features), gather(scale->shift, features)}, in,
                  input);
    }
    return push(node.name, toStored(std::get<graph::Index>(node.op), in, out), out, input);
  }

  /// The node `id` with its features stored as `shape` wants them.
  int stored(int id, const Shape& shape, const std::string& reader) {
    const Shape now = network_.nodes[id].shape;
    if (sameOrder(now, shape)) return id;
    return push(reader, Index{now.size(), gather(positions(now), order(shape))}, shape, id);
  }

  int push(const std::string& name, Affine affine, const Shape& shape, int input) {
    network_.affines.push_back(std::move(affine));
    const int id = push(NodeKind::affine, name, shape, {input});
    network_.nodes[id].affine = static_cast<int>(network_.affines.size()) - 1;
    return id;
  }

  int push(NodeKind kind, const std::string& name, const Shape& shape, std::vector<int> inputs) {
    network_.nodes.push_back({kind, name, shape, std::move(inputs), -1});
    return static_cast<int>(network_.nodes.size()) - 1;
  }

  const std::vector<graph::Node>& graph_;
  Network network_;
  std::vector<int> at_;
};

}  // namespace

Network lower(const std::vector<graph::Node>& nodes, Folding folding) {
  validate(nodes);
  return Lowering(nodes).run(folding);
}

}  // namespace bulwark
