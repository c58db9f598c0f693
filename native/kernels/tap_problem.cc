#include "kernels/tap_problem.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <tuple>

namespace bulwark {
namespace {

/// Output pixel (y, x) of a convolution meets input pixel (y * stride - pad + kernelY * dilation, ...).
struct Geometry {
  const Conv& conv;

  int elements() const { return conv.kernel[0] * conv.kernel[1]; }
  /// Output and input channel within their group.
  double weight(int group, int output, int input, int element) const {
    const size_t channel = static_cast<size_t>(group) * (conv.out.channels / conv.group) + output;
    return conv.weight[(channel * (conv.in.channels / conv.group) + input) * elements() + element];
  }
  /// The input row (axis 0) or column (axis 1) that an element meets, or -1 in the padding.
  int input(int axis, int output, int element) const {
    const int limit = axis == 0 ? conv.in.height : conv.in.width;
    const int at = output * conv.strides[axis] - conv.pads[axis] + element * conv.dilations[axis];
    return at >= 0 && at < limit ? at : -1;
  }
  /// The output row or column whose element meets this input, or -1.
  int output(int axis, int input, int element) const {
    const int limit = axis == 0 ? conv.out.height : conv.out.width;
    const int scaled = input + conv.pads[axis] - element * conv.dilations[axis];
    const int at = scaled / conv.strides[axis];
    return scaled >= 0 && scaled % conv.strides[axis] == 0 && at < limit ? at : -1;
  }
};

/// Elements by the residue of the stride they serve, then so that the met pixels ascend.
std::vector<int> packingOrder(const Conv& conv, bool adjoint) {
  std::vector<int> order(conv.kernel[0] * conv.kernel[1]);
  std::iota(order.begin(), order.end(), 0);
  if (!adjoint) return order;
  const auto key = [&](int element) {
    const int y = element / conv.kernel[1], x = element % conv.kernel[1];
    return std::make_tuple(y * conv.dilations[0] % conv.strides[0], x * conv.dilations[1] % conv.strides[1],
                           -y, -x);
  };
  std::sort(order.begin(), order.end(), [&](int a, int b) { return key(a) < key(b); });
  return order;
}

/// The problem of the output pixels whose valid kernel elements are these.
TapProblem scatterProblem(const Conv& conv, Rounding rounding, const std::vector<int>& elements,
                          const std::vector<int>& pixels) {
  const Geometry geometry{conv};
  const int inputs = conv.in.channels / conv.group;
  TapProblem problem;
  problem.groups = conv.group;
  problem.depth = conv.out.channels / conv.group;
  problem.outputs = static_cast<int>(elements.size()) * inputs;
  problem.order = {0};
  problem.inFeatures = conv.out.size();
  problem.outFeatures = conv.in.size();
  problem.groupStride = inputs;
  const auto target = [&](int pixel, int element) {
    const int row = geometry.input(0, pixel / conv.out.width, element / conv.kernel[1]);
    const int column = geometry.input(1, pixel % conv.out.width, element % conv.kernel[1]);
    return (row * conv.in.width + column) * conv.in.channels;
  };
  for (const int pixel : pixels) {
    problem.taps.push_back({{0, pixel}});
    problem.place.push_back(target(pixel, elements.front()));
  }
  for (const int element : elements)
    for (int i = 0; i < inputs; ++i)
      problem.targets.push_back(target(pixels.front(), element) - problem.place.front() + i);
  for (int group = 0; group < conv.group; ++group)
    for (int o = 0; o < problem.depth; ++o)
      for (const int element : elements)
        for (int i = 0; i < inputs; ++i)
          problem.weight.push_back(rounding(geometry.weight(group, o, i, element)));
  return problem;
}

}  // namespace

float nearest(double x) { return static_cast<float>(x); }

float magnitudeAbove(double x) {
  const double size = std::fabs(x);
  const float rounded = static_cast<float>(size);
  return rounded < size ? std::nextafter(rounded, std::numeric_limits<float>::infinity()) : rounded;
}

TapProblem linearProblem(const Linear& linear, bool adjoint, Rounding rounding) {
  TapProblem problem;
  problem.depth = adjoint ? linear.out : linear.in;
  problem.outputs = adjoint ? linear.in : linear.out;
  problem.order = {0};
  problem.taps = {{{0, 0}}};
  problem.place = {0};
  problem.inFeatures = problem.depth;
  problem.outFeatures = problem.outputs;
  problem.weight.resize(linear.weight.size());
  for (int o = 0; o < linear.out; ++o)
    for (int i = 0; i < linear.in; ++i) {
      const size_t from = static_cast<size_t>(o) * linear.in + i;
      problem.weight[adjoint ? from : static_cast<size_t>(i) * linear.out + o] =
          rounding(linear.weight[from]);
    }
  return problem;
}

TapProblem convProblem(const Conv& conv, bool adjoint, Rounding rounding) {
  const Geometry geometry{conv};
  const Shape& from = adjoint ? conv.out : conv.in;
  const Shape& to = adjoint ? conv.in : conv.out;
  TapProblem problem;
  problem.groups = conv.group;
  problem.depth = from.channels / conv.group;
  problem.outputs = to.channels / conv.group;
  problem.inFeatures = from.size();
  problem.outFeatures = to.size();
  problem.groupStride = problem.outputs;
  problem.order = packingOrder(conv, adjoint);
  problem.taps.resize(to.pixels());
  for (int pixel = 0; pixel < to.pixels(); ++pixel) problem.place.push_back(pixel * to.channels);
  for (int y = 0; y < to.height; ++y)
    for (int x = 0; x < to.width; ++x)
      for (const int element : problem.order) {
        const int ky = element / conv.kernel[1], kx = element % conv.kernel[1];
        const int row = adjoint ? geometry.output(0, y, ky) : geometry.input(0, y, ky);
        const int column = adjoint ? geometry.output(1, x, kx) : geometry.input(1, x, kx);
        if (row >= 0 && column >= 0)
          problem.taps[y * to.width + x].push_back({element, row * from.width + column});
      }
  for (int group = 0; group < conv.group; ++group)
    for (const int element : problem.order)
      for (int k = 0; k < problem.depth; ++k)
        for (int m = 0; m < problem.outputs; ++m) {
          const int o = adjoint ? k : m, i = adjoint ? m : k;
          problem.weight.push_back(rounding(geometry.weight(group, o, i, element)));
        }
  return problem;
}

bool scatters(const Conv& conv) {
  // Measured: from four channels on, gathering keeps the multiply-add units as busy; sums shorter than this
  // do not pay for adding to the output in memory.
  return conv.in.channels / conv.group <= 3 && conv.out.channels / conv.group >= 16 &&
         conv.kernel[0] * conv.kernel[1] > 1;
}

std::vector<TapProblem> scatterProblems(const Conv& conv, Rounding rounding) {
  const Geometry geometry{conv};
  std::map<std::vector<int>, std::vector<int>> classes;
  for (int pixel = 0; pixel < conv.out.pixels(); ++pixel) {
    std::vector<int> elements;
    for (int element = 0; element < geometry.elements(); ++element)
      if (geometry.input(0, pixel / conv.out.width, element / conv.kernel[1]) >= 0 &&
          geometry.input(1, pixel % conv.out.width, element % conv.kernel[1]) >= 0)
        elements.push_back(element);
    if (!elements.empty()) classes[elements].push_back(pixel);
  }
  std::vector<TapProblem> problems;
  for (const auto& [elements, pixels] : classes)
    problems.push_back(scatterProblem(conv, rounding, elements, pixels));
  return problems;
}

}  // namespace bulwark
