#include <algorithm>
#include <stdexcept>
#include <string>

#include "kernels/cuda/affine_plan.h"

namespace bulwark::BULWARK_CUDA {
namespace {

std::vector<float> floats(const std::vector<double>& values, Rounding rounding) {
  std::vector<float> out(values.size());
  std::transform(values.begin(), values.end(), out.begin(), rounding);
  return out;
}

template <typename... Visitors>
struct Overloaded : Visitors... {
  using Visitors::operator()...;
};
template <typename... Visitors>
Overloaded(Visitors...) -> Overloaded<Visitors...>;

}  // namespace

CudaAffinePlan::CudaAffinePlan(const Affine& affine, const std::shared_ptr<Memory>& memory)
    : in_(inputSize(affine)), out_(outputSize(affine)) {
  const auto numbers = [&](const std::vector<double>& values, Rounding rounding) {
    return Array<float>(memory, floats(values, rounding));
  };
  const auto taps = [&](auto problem, const auto& from) {
    return Taps{{problem(from, false, nearest), memory},
                {problem(from, false, magnitudeAbove), memory},
                {problem(from, true, nearest), memory}};
  };
  std::visit(Overloaded{[&](const Linear& linear) {
                          operator_ = taps(linearProblem, linear);
                          bias_ = numbers(linear.bias, nearest);
                        },
                        [&](const Conv& conv) {
                          operator_ = taps(convProblem, conv);
                          bias_ = numbers(conv.bias, nearest);
                        },
                        [&](const Scale& scale) {
                          operator_ =
                              Diagonal{numbers(scale.scale, nearest), numbers(scale.scale, magnitudeAbove)};
                          bias_ = numbers(scale.shift, nearest);
                        },
                        [&](const Index& index) {
                          operator_ = Selection{selectedFeatures(index.source, memory),
                                                returnedFeatures(index.source, index.in, memory)};
                        }},
             affine);
}

void CudaAffinePlan::apply(cudaStream_t stream, Pass pass, View in, View out, Write write) const {
  const bool adjoint = pass == Pass::adjoint, accumulate = write == Write::accumulate;
  if (in.features != (adjoint ? out_ : in_) || out.features != (adjoint ? in_ : out_) ||
      in.blocks != out.blocks)
    throw std::invalid_argument("affine apply: operator " + std::to_string(in_) + " -> " +
                                std::to_string(out_) + (adjoint ? " (adjoint)" : "") + " given " +
                                std::to_string(in.features) + " -> " + std::to_string(out.features) +
                                " features, " + std::to_string(in.blocks) + " -> " +
                                std::to_string(out.blocks) + " blocks");
  std::visit(Overloaded{[&](const Taps& taps) {
                          const TapPlan& plan = adjoint                   ? taps.adjoint
                                                : pass == Pass::magnitude ? taps.magnitude
                                                                          : taps.forward;
                          plan.apply(stream, in, out, accumulate);
                        },
                        [&](const Diagonal& diagonal) {
                          const Array<float>& factors =
                              pass == Pass::magnitude ? diagonal.magnitudes : diagonal.factors;
                          scaleFeatures(stream, factors.data(), in, out, accumulate);
                        },
                        [&](const Selection& selection) {
                          addListed(stream, adjoint ? selection.adjoint : selection.forward, in, out,
                                    accumulate);
                        }},
             operator_);
}

void CudaAffinePlan::addBias(cudaStream_t stream, View y) const {
  if (bias_.size() == 0) return;
  if (y.features != out_)
    throw std::invalid_argument("addBias: bias has " + std::to_string(out_) + " features, the view " +
                                std::to_string(y.features));
  addToFeatures(stream, bias_.data(), y);
}

}  // namespace bulwark::BULWARK_CUDA
