#include "selftest/network_graphs.h"

#include <algorithm>
#include <utility>

namespace bulwark::selftest {
namespace {

int product(const std::vector<int>& shape) {
  int size = 1;
  for (const int extent : shape) size *= extent;
  return size;
}

std::vector<double> evaluate(const graph::Conv& conv, const std::vector<int>& in, const std::vector<int>& out,
                             const std::vector<double>& x) {
  std::vector<double> y;
  const int inPerGroup = in[0] / conv.group, outPerGroup = out[0] / conv.group;
  for (int o = 0; o < out[0]; ++o) {
    for (int row = 0; row < out[1]; ++row) {
      for (int column = 0; column < out[2]; ++column) {
        double sum = conv.bias[o];
        for (int i = 0; i < inPerGroup; ++i) {
          for (int ky = 0; ky < conv.kernel[0]; ++ky) {
            for (int kx = 0; kx < conv.kernel[1]; ++kx) {
              const int r = row * conv.strides[0] + ky * conv.dilations[0] - conv.pads[0];
              const int c = column * conv.strides[1] + kx * conv.dilations[1] - conv.pads[1];
              if (r < 0 || c < 0 || r >= in[1] || c >= in[2]) continue;
              const int channel = o / outPerGroup * inPerGroup + i;
              sum += conv.weight[((o * inPerGroup + i) * conv.kernel[0] + ky) * conv.kernel[1] + kx] *
                     x[(channel * in[1] + r) * in[2] + c];
            }
          }
        }
        y.push_back(sum);
      }
    }
  }
  return y;
}

}  // namespace

int pick(Random& random, int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); }

double normal(Random& random) { return std::normal_distribution<double>()(random); }

std::vector<double> normals(Random& random, int count, double deviation) {
  std::vector<double> values(count);
  for (double& value : values) value = deviation * normal(random);
  return values;
}

std::vector<std::vector<double>> evaluate(const std::vector<graph::Node>& nodes,
                                          const std::vector<double>& x) {
  std::vector<std::vector<double>> values;
  for (const graph::Node& node : nodes) {
    std::vector<double> y = node.inputs.empty() ? x : values[node.inputs[0]];
    const std::vector<double> from = y;
    if (const auto* linear = std::get_if<graph::Linear>(&node.op)) {
      y = linear->bias;
      for (size_t o = 0; o < y.size(); ++o) {
        for (size_t i = 0; i < from.size(); ++i) y[o] += linear->weight[o * from.size() + i] * from[i];
      }
    } else if (const auto* conv = std::get_if<graph::Conv>(&node.op)) {
      y = evaluate(*conv, nodes[node.inputs[0]].shape, node.shape, from);
    } else if (const auto* scale = std::get_if<graph::Scale>(&node.op)) {
      for (size_t i = 0; i < y.size(); ++i) y[i] = scale->scale[i] * y[i] + scale->shift[i];
    } else if (const auto* index = std::get_if<graph::Index>(&node.op)) {
      y.assign(index->source.size(), 0.0);
      for (size_t i = 0; i < y.size(); ++i) {
        if (index->source[i] >= 0) y[i] = from[index->source[i]];
      }
    } else if (std::holds_alternative<graph::Relu>(node.op)) {
      for (double& value : y) value = std::max(value, 0.0);
    } else if (std::holds_alternative<graph::Add>(node.op)) {
      for (size_t i = 0; i < y.size(); ++i) y[i] += values[node.inputs[1]][i];
    }
    values.push_back(std::move(y));
  }
  return values;
}

GraphBuilder::GraphBuilder(std::vector<int> inputShape) { push(std::move(inputShape), {}, graph::Input{}); }

int GraphBuilder::size(int id) const { return product(nodes[id].shape); }

int GraphBuilder::push(std::vector<int> shape, std::vector<int> inputs, decltype(graph::Node::op) op) {
  const int id = static_cast<int>(nodes.size());
  nodes.push_back({std::to_string(id), std::move(shape), std::move(inputs), std::move(op)});
  return id;
}

int GraphBuilder::linear(Random& random, int input, std::vector<int> shape) {
  const int in = size(input), out = product(shape);
  return push(std::move(shape), {input}, graph::Linear{normals(random, in * out, 0.3), normals(random, out)});
}

int GraphBuilder::conv(Random& random, int input, int channels, std::array<int, 2> kernel,
                       std::array<int, 2> strides, std::array<int, 2> dilations, std::array<int, 4> pads,
                       int group) {
  const std::vector<int> in = shape(input);
  std::vector<int> out = {channels, 0, 0};
  for (int axis = 0; axis < 2; ++axis) {
    const int reach = dilations[axis] * (kernel[axis] - 1) + 1;
    out[axis + 1] = (in[axis + 1] + pads[axis] + pads[axis + 2] - reach) / strides[axis] + 1;
  }
  const int weights = channels * (in[0] / group) * kernel[0] * kernel[1];
  return push(out, {input},
              graph::Conv{normals(random, weights, 0.3), normals(random, channels), kernel, strides,
                          dilations, pads, group});
}

int GraphBuilder::scale(Random& random, int input, bool perChannel) {
  const int count = size(input), pixels = perChannel ? count / shape(input)[0] : 1;
  std::vector<double> factor = normals(random, count), shift = normals(random, count);
  for (int i = 0; i < count; ++i) {
    factor[i] = factor[i / pixels * pixels];
    shift[i] = shift[i / pixels * pixels];
  }
  return push(shape(input), {input}, graph::Scale{std::move(factor), std::move(shift)});
}

int GraphBuilder::index(int input, std::vector<int> shape, std::vector<int32_t> source) {
  return push(std::move(shape), {input}, graph::Index{std::move(source)});
}

int GraphBuilder::pad(int input, std::array<int, 4> pads) {
  const std::vector<int> in = shape(input);
  const std::vector<int> out = {in[0], in[1] + pads[0] + pads[2], in[2] + pads[1] + pads[3]};
  std::vector<int32_t> source;
  for (int channel = 0; channel < out[0]; ++channel) {
    for (int y = -pads[0]; y < in[1] + pads[2]; ++y) {
      for (int x = -pads[1]; x < in[2] + pads[3]; ++x) {
        const bool inside = y >= 0 && y < in[1] && x >= 0 && x < in[2];
        source.push_back(inside ? (channel * in[1] + y) * in[2] + x : -1);
      }
    }
  }
  return index(input, out, std::move(source));
}

int GraphBuilder::transpose(int input, std::array<int, 3> axes) {
  const std::vector<int> in = shape(input);
  const std::array<int, 3> strides = {in[1] * in[2], in[2], 1};
  const std::vector<int> out = {in[axes[0]], in[axes[1]], in[axes[2]]};
  std::vector<int32_t> source;
  for (int a = 0; a < out[0]; ++a) {
    for (int b = 0; b < out[1]; ++b) {
      for (int c = 0; c < out[2]; ++c) {
        source.push_back(a * strides[axes[0]] + b * strides[axes[1]] + c * strides[axes[2]]);
      }
    }
  }
  return index(input, out, std::move(source));
}

int GraphBuilder::reshape(int input, std::vector<int> shape) {
  return push(std::move(shape), {input}, graph::Reshape{});
}

int GraphBuilder::relu(int input) { return push(shape(input), {input}, graph::Relu{}); }

int GraphBuilder::sum(int a, int b) { return push(shape(a), {a, b}, graph::Add{}); }

std::vector<graph::Node> randomGraph(Random& random, int length) {
  GraphBuilder b(pick(random, 0, 1)
                     ? std::vector<int>{pick(random, 1, 4), pick(random, 1, 6), pick(random, 1, 6)}
                     : std::vector<int>{pick(random, 1, 30)});
  for (int step = 0; step < length; ++step) {
    const int input = pick(random, 0, 5) ? b.last() : pick(random, 0, b.last());
    const std::vector<int> in = b.shape(input);
    const bool map = in.size() == 3;
    const int size = b.size(input);
    const int kind = pick(random, 0, 11);
    if (kind <= 2 && map) {
      std::array<int, 2> kernel{}, strides{}, dilations{};
      std::array<int, 4> pads{};
      for (int axis = 0; axis < 2; ++axis) {
        kernel[axis] = pick(random, 1, 3);
        strides[axis] = pick(random, 1, 2);
        dilations[axis] = pick(random, 1, 2);
        for (const int side : {axis, axis + 2}) pads[side] = pick(random, 0, 2);
        const int reach = dilations[axis] * (kernel[axis] - 1) + 1;
        pads[axis] += std::max(0, reach - in[axis + 1] - pads[axis] - pads[axis + 2]);
      }
      const int group = in[0] % 2 == 0 && pick(random, 0, 1) ? 2 : 1;
      b.conv(random, input, group * pick(random, 1, 3), kernel, strides, dilations, pads, group);
    } else if (kind <= 3) {
      b.linear(random, input, {pick(random, 1, 20)});
    } else if (kind == 4) {
      b.scale(random, input, map && pick(random, 0, 1));
    } else if (kind == 5 && map) {
      b.pad(input, {pick(random, 0, 1), pick(random, 0, 1), pick(random, 0, 1), pick(random, 0, 1)});
    } else if (kind == 6 && map) {
      std::array<int, 3> axes = {0, 1, 2};
      std::shuffle(axes.begin(), axes.end(), random);
      b.transpose(input, axes);
    } else if (kind == 7 && map) {
      b.reshape(input, {size});
    } else if (kind == 7) {
      const int channels = size % 3 == 0 ? 3 : size % 2 == 0 ? 2 : 1;
      const int rest = size / channels, height = rest % 3 == 0 ? 3 : rest % 2 == 0 ? 2 : 1;
      b.reshape(input, {channels, height, rest / height});
    } else if (kind == 8) {
      std::vector<int32_t> source(size);
      for (int32_t& s : source) s = pick(random, -1, size - 1);
      b.index(input, in, std::move(source));
    } else if (kind == 9) {
      int other = input;
      for (int id = 0; id <= b.last(); ++id) {
        if (b.shape(id) == in && pick(random, 0, 2) == 0) other = id;
      }
      b.sum(input, other);
    } else {
      b.relu(input);
    }
    if (b.size(b.last()) > 400) b.linear(random, b.last(), {pick(random, 1, 20)});
  }
  return std::move(b.nodes);
}

Conv randomConv(Random& random, int group, const ConvLimits& most) {
  std::array<int, 2> kernel{}, strides{}, dilations{}, size{};
  std::array<int, 4> pads{};
  for (int axis = 0; axis < 2; ++axis) {
    kernel[axis] = pick(random, 1, most.kernel);
    strides[axis] = pick(random, 1, most.stride);
    dilations[axis] = pick(random, 1, most.dilation);
    pads[axis] = pick(random, 0, most.pad);
    pads[axis + 2] = pick(random, 0, most.pad);
    const int reach = dilations[axis] * (kernel[axis] - 1) + 1;
    size[axis] = std::max(pick(random, 1, most.size), reach - pads[axis] - pads[axis + 2]);
  }
  GraphBuilder graph({group * pick(random, 1, most.inputs), size[0], size[1]});
  graph.conv(random, 0, group * pick(random, 1, most.outputs), kernel, strides, dilations, pads, group);
  const std::vector<int>& out = graph.shape(1);
  return {{graph.shape(0)[0], size[0], size[1]},
          {out[0], out[1], out[2]},
          group,
          kernel,
          strides,
          dilations,
          {pads[0], pads[1]},
          std::get<graph::Conv>(graph.nodes[1].op).weight,
          std::vector<double>(graph.size(1))};
}

}  // namespace bulwark::selftest
