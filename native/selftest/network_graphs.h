// Random graphs and their direct evaluation, for the tests of the lowering and of what builds on it.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "network/graph.h"
#include "network/network.h"

namespace bulwark::selftest {

using Random = std::mt19937_64;

int pick(Random&, int low, int high);
double normal(Random&);
std::vector<double> normals(Random&, int count, double deviation = 1);

/// The value of every node at x, all in ONNX order, straight from the definition of each operator.
std::vector<std::vector<double>> evaluate(const std::vector<graph::Node>&, const std::vector<double>& x);

/// The largest of what a random convolution has; channels are those of a group.
struct ConvLimits {
  int kernel, stride, dilation, pad, size, inputs, outputs;
};

/// A convolution of `group` groups with random weights, strides, dilations and padding, without bias.
Conv randomConv(Random&, int group, const ConvLimits& most);

/// A graph built node by node; every `add...` returns the new node's id.
class GraphBuilder {
 public:
  explicit GraphBuilder(std::vector<int> inputShape);
  int linear(Random&, int input, std::vector<int> shape);
  int conv(Random&, int input, int channels, std::array<int, 2> kernel, std::array<int, 2> strides,
           std::array<int, 2> dilations, std::array<int, 4> pads, int group);
  int scale(Random&, int input, bool perChannel);
  int index(int input, std::vector<int> shape, std::vector<int32_t> source);
  int pad(int input, std::array<int, 4> pads);
  int transpose(int input, std::array<int, 3> axes);
  int reshape(int input, std::vector<int> shape);
  int relu(int input);
  int sum(int a, int b);

  const std::vector<int>& shape(int id) const { return nodes[id].shape; }
  int size(int id) const;
  int last() const { return static_cast<int>(nodes.size()) - 1; }

  std::vector<graph::Node> nodes;

 private:
  int push(std::vector<int> shape, std::vector<int> inputs, decltype(graph::Node::op) op);
};

/// A graph of up to `length` random operators: convolutions of every kind, residual adds, scales, pads,
/// transposes, reshapes, matrices, and nodes that nothing reads.
std::vector<graph::Node> randomGraph(Random&, int length);

}  // namespace bulwark::selftest
