#include "kernels/cpu/affine_plan.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>
#include <tuple>

namespace bulwark {
namespace {

using Rounding = float (*)(double);

float nearest(double x) { return static_cast<float>(x); }

/// |x|, never smaller.
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
  problem.weight.resize(linear.weight.size());
  for (int o = 0; o < linear.out; ++o)
    for (int i = 0; i < linear.in; ++i) {
      const size_t from = static_cast<size_t>(o) * linear.in + i;
      problem.weight[adjoint ? from : static_cast<size_t>(i) * linear.out + o] =
          rounding(linear.weight[from]);
    }
  return problem;
}

/// Output pixel (y, x) of a convolution meets input pixel (y * stride - pad + kernelY * dilation, ...).
struct Geometry {
  const Conv& conv;

  int elements() const { return conv.kernel[0] * conv.kernel[1]; }
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

TapProblem convProblem(const Conv& conv, bool adjoint, Rounding rounding) {
  const Geometry geometry{conv};
  const Shape& from = adjoint ? conv.out : conv.in;
  const Shape& to = adjoint ? conv.in : conv.out;
  TapProblem problem;
  problem.groups = conv.group;
  problem.depth = from.channels / conv.group;
  problem.outputs = to.channels / conv.group;
  problem.inPixels = from.pixels();
  problem.outPixels = to.pixels();
  problem.order = packingOrder(conv, adjoint);
  problem.taps.resize(to.pixels());
  for (int y = 0; y < to.height; ++y)
    for (int x = 0; x < to.width; ++x)
      for (const int element : problem.order) {
        const int ky = element / conv.kernel[1], kx = element % conv.kernel[1];
        const int row = adjoint ? geometry.output(0, y, ky) : geometry.input(0, y, ky);
        const int column = adjoint ? geometry.output(1, x, kx) : geometry.input(1, x, kx);
        if (row >= 0 && column >= 0)
          problem.taps[y * to.width + x].push_back({element, row * from.width + column});
      }
  const int inputs = conv.in.channels / conv.group, outputs = conv.out.channels / conv.group;
  for (int group = 0; group < conv.group; ++group)
    for (const int element : problem.order)
      for (int k = 0; k < problem.depth; ++k)
        for (int m = 0; m < problem.outputs; ++m) {
          const int o = group * outputs + (adjoint ? k : m), i = adjoint ? m : k;
          const size_t at = (static_cast<size_t>(o) * inputs + i) * geometry.elements() + element;
          problem.weight.push_back(rounding(conv.weight[at]));
        }
  return problem;
}

std::vector<float> floats(const std::vector<double>& values, Rounding rounding) {
  std::vector<float> out(values.size());
  std::transform(values.begin(), values.end(), out.begin(), rounding);
  return out;
}

template <typename... Visitors>
struct Overloaded : Visitors... {
  using Visitors::operator()...;
};

}  // namespace

CpuAffinePlan::CpuAffinePlan(const Affine& affine, const KernelTable& kernels)
    : instructionSet_(kernels.name) {
  const auto taps = [&](const auto& make) {
    operator_ = Taps{makeTapPlan(make(false, nearest), kernels), makeTapPlan(make(true, nearest), kernels),
                     makeTapPlan(make(false, magnitudeAbove), kernels)};
  };
  std::visit(
      Overloaded{
          [&](const Linear& linear) {
            in_ = linear.in;
            out_ = linear.out;
            bias_ = floats(linear.bias, nearest);
            taps([&](bool adjoint, Rounding rounding) { return linearProblem(linear, adjoint, rounding); });
          },
          [&](const Conv& conv) {
            in_ = conv.in.size();
            out_ = conv.out.size();
            bias_ = floats(conv.bias, nearest);
            taps([&](bool adjoint, Rounding rounding) { return convProblem(conv, adjoint, rounding); });
          },
          [&](const Scale& scale) {
            in_ = out_ = static_cast<int>(scale.scale.size());
            bias_ = floats(scale.shift, nearest);
            operator_ = Diagonal{floats(scale.scale, nearest), floats(scale.scale, magnitudeAbove)};
          },
          [&](const Index& index) {
            in_ = index.in;
            out_ = static_cast<int>(index.source.size());
            operator_ = Selection{index.source};
          }},
      affine);
}

void CpuAffinePlan::apply(const KernelTable& kernels, Pass pass, View in, View out, Write write) const {
  const bool adjoint = pass == Pass::adjoint;
  if (in.features != (adjoint ? out_ : in_) || out.features != (adjoint ? in_ : out_) ||
      in.blocks != out.blocks)
    throw std::invalid_argument("affine apply: operator " + std::to_string(in_) + " -> " +
                                std::to_string(out_) + (adjoint ? " (adjoint)" : "") + " given " +
                                std::to_string(in.features) + " -> " + std::to_string(out.features) +
                                " features, " + std::to_string(in.blocks) + " -> " +
                                std::to_string(out.blocks) + " blocks");
  if (instructionSet_ != kernels.name)
    throw std::invalid_argument(std::string("affine apply: plan packed for ") + instructionSet_ +
                                ", backend is " + kernels.name);
  const bool accumulate = write == Write::accumulate;
  std::visit(
      Overloaded{[&](const Taps& taps) {
                   const TapPlan& plan = adjoint                   ? taps.adjoint
                                         : pass == Pass::magnitude ? taps.magnitude
                                                                   : taps.forward;
                   applyTaps(plan, kernels, in, out, accumulate);
                 },
                 [&](const Diagonal& diagonal) {
                   const auto& factors = pass == Pass::magnitude ? diagonal.magnitudes : diagonal.factors;
                   kernels.scale(factors.data(), in, out, accumulate);
                 },
                 [&](const Selection& selection) {
                   if (!adjoint) return kernels.index(selection.source.data(), in, out, accumulate);
                   if (!accumulate)
                     std::fill_n(out.data, static_cast<size_t>(out.features) * out.blocks * kLanes, 0.0f);
                   kernels.indexAdjoint(selection.source.data(), in, out);
                 }},
      operator_);
}

void CpuAffinePlan::addBias(const KernelTable& kernels, View y) const {
  if (bias_.empty()) return;
  if (y.features != static_cast<int>(bias_.size()))
    throw std::invalid_argument("addBias: bias has " + std::to_string(bias_.size()) + " features, the view " +
                                std::to_string(y.features));
  kernels.addBias(bias_.data(), y);
}

}  // namespace bulwark
