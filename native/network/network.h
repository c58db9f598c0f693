// An immutable network: a DAG of affine operators, ReLUs and adds in topological order.
//
// Features of a map are stored pixel by pixel, [height][width][channels], so that the channels a
// convolution sums over lie together. Only the boundary (inputs, outputs, rows) knows ONNX order; it
// converts with `order`.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "network/graph.h"

namespace bulwark {

struct Shape {
  int channels = 1, height = 1, width = 1;
  int pixels() const { return height * width; }
  int size() const { return channels * height * width; }
  bool operator==(const Shape&) const = default;
};

/// order[i] = the ONNX feature (row-major [channels][height][width]) stored at position i.
std::vector<int32_t> order(const Shape&);
/// True where two shapes of equal size store every feature at the same position.
bool sameOrder(const Shape&, const Shape&);

/// y = W x + b: weight [out][in], bias [out].
struct Linear {
  int in = 0, out = 0;
  std::vector<double> weight, bias;
  bool operator==(const Linear&) const = default;
};

/// Convolution between maps stored [height][width][channels].
struct Conv {
  Shape in, out;
  int group = 1;
  std::array<int, 2> kernel{}, strides{}, dilations{};
  std::array<int, 2> pads{};   // top, left; the bottom and right follow from `out`
  std::vector<double> weight;  // [out channel][in channel / group][kernelH][kernelW]
  std::vector<double> bias;    // [out.size()]: one per feature, so that constants fold across borders
  bool operator==(const Conv&) const = default;
};

/// y_i = scale_i x_i + shift_i.
struct Scale {
  std::vector<double> scale, shift;
  bool operator==(const Scale&) const = default;
};

/// y_i = x[source_i], 0 where source_i = -1.
struct Index {
  int in = 0;
  std::vector<int32_t> source;
  bool operator==(const Index&) const = default;
};

using Affine = std::variant<Linear, Conv, Scale, Index>;

int inputSize(const Affine&);
int outputSize(const Affine&);

enum class NodeKind { input, affine, relu, add };

/// The shape gives the order of the node's features, which counts at the input and the output; in between
/// only its size counts. A vector flattened from a map keeps the map's shape: its features stay in place.
struct Node {
  NodeKind kind = NodeKind::input;
  std::string name;
  Shape shape;
  std::vector<int> inputs;
  int affine = -1;  // index into Network::affines
};

/// Node 0 is the input, the last node the output (the same node where the network is the identity).
/// Every other node leads to the output. Every ReLU's input is its pre-activation node. An add has two
/// different inputs.
struct Network {
  std::vector<Node> nodes;
  std::vector<Affine> affines;

  int inputSize() const { return nodes.front().shape.size(); }
  int outputSize() const { return nodes.back().shape.size(); }
  /// order[i] = the ONNX feature stored at position i of node `id`.
  std::vector<int32_t> order(int id) const;
  /// The ReLUs that a node's value depends on, by their position among all ReLUs, in topological order.
  std::vector<int> relusBelow(int id) const;
};

/// Whether neighbouring affine maps are folded, which rounds their weights, or every weight stays the
/// stored one.
enum class Folding { composed, none };

/// Lowers a graph: ONNX order to pixel order, reshapes to permutations or nothing, neighbouring affine
/// maps folded in double unless asked otherwise, nodes that the output does not need dropped. Both foldings
/// give the same ReLUs in the same order, and store the features of the input, of every ReLU and of the
/// output alike. Throws std::invalid_argument naming the node where shapes, weight sizes or indices do not
/// fit or a weight is not finite.
Network lower(const std::vector<graph::Node>& nodes, Folding folding = Folding::composed);

}  // namespace bulwark
