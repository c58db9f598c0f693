// The network as it crosses the native boundary: the same nodes as src/model/graph.ts, in ONNX feature
// order, weights in double (exact for float32 and float64 files). `lower.h` turns it into a `Network`.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace bulwark::graph {

struct Input {};
/// weight [out][in], bias [out].
struct Linear {
  std::vector<double> weight, bias;
};
/// weight [out][in / group][kernelH][kernelW], bias [out]; pads are top, left, bottom, right.
struct Conv {
  std::vector<double> weight, bias;
  std::array<int, 2> kernel, strides, dilations;
  std::array<int, 4> pads;
  int group;
};
/// y_i = scale_i x_i + shift_i.
struct Scale {
  std::vector<double> scale, shift;
};
/// y_i = x[source_i], 0 where source_i = -1.
struct Index {
  std::vector<int32_t> source;
};
struct Reshape {};
struct Relu {};
struct Add {};

struct Node {
  std::string name;
  std::vector<int> shape;   // [n] or [channels, height, width]
  std::vector<int> inputs;  // earlier nodes
  std::variant<Input, Linear, Conv, Scale, Index, Reshape, Relu, Add> op;
};

}  // namespace bulwark::graph
