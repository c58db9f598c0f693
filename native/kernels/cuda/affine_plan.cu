#include <algorithm>

#include "kernels/affine_fit.h"
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
  const auto taps = [&](auto problem, const auto& from, bool dense) {
    return Taps{{problem(from, false, nearest), memory},
                {problem(from, false, magnitudeAbove), memory},
                {problem(from, true, nearest), memory},
                dense};
  };
  std::visit(Overloaded{[&](const Linear& linear) {
                          operator_ = taps(linearProblem, linear, true);
                          bias_ = numbers(linear.bias, nearest);
                        },
                        [&](const Conv& conv) {
                          operator_ = taps(convProblem, conv, false);
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

void CudaAffinePlan::apply(cudaStream_t stream, Cublas* library, Pass pass, View in, View out,
                           Write write) const {
  const bool adjoint = pass == Pass::adjoint, accumulate = write == Write::accumulate;
  requireFit(in_, out_, pass, in, out);
  std::visit(Overloaded{[&](const Taps& taps) {
                          const TapPlan& plan = adjoint                   ? taps.adjoint
                                                : pass == Pass::magnitude ? taps.magnitude
                                                                          : taps.forward;
                          if (library && taps.dense) {
                            library->multiply(in, plan.weights(), plan.weightRow(), out, accumulate);
                          } else {
                            plan.apply(stream, in, out, accumulate);
                          }
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
  requireBiasFit(out_, y);
  addToFeatures(stream, bias_.data(), y);
}

}  // namespace bulwark::BULWARK_CUDA
