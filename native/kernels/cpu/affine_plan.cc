#include "kernels/cpu/affine_plan.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "kernels/affine_fit.h"
#include "kernels/tap_problem.h"

namespace bulwark {
namespace {

std::vector<float> floats(const std::vector<double>& values, Rounding rounding) {
  std::vector<float> out(values.size());
  std::transform(values.begin(), values.end(), out.begin(), rounding);
  return out;
}

void clear(View view) {
  std::fill_n(view.data, static_cast<size_t>(view.features) * view.blocks * kLanes, 0.0f);
}

template <typename... Visitors>
struct Overloaded : Visitors... {
  using Visitors::operator()...;
};

}  // namespace

CpuAffinePlan::CpuAffinePlan(const Affine& affine, const KernelTable& kernels)
    : instructionSet_(kernels.name) {
  const auto pack = [&](const TapProblem& problem) { return makeTapPlan(problem, kernels); };
  std::visit(Overloaded{[&](const Linear& linear) {
                          in_ = linear.in;
                          out_ = linear.out;
                          bias_ = floats(linear.bias, nearest);
                          operator_ = Taps{pack(linearProblem(linear, false, nearest)),
                                           pack(linearProblem(linear, false, magnitudeAbove)),
                                           {pack(linearProblem(linear, true, nearest))},
                                           false};
                        },
                        [&](const Conv& conv) {
                          in_ = conv.in.size();
                          out_ = conv.out.size();
                          bias_ = floats(conv.bias, nearest);
                          Taps taps{pack(convProblem(conv, false, nearest)),
                                    pack(convProblem(conv, false, magnitudeAbove)),
                                    {},
                                    scatters(conv)};
                          if (taps.scatters) {
                            for (const TapProblem& problem : scatterProblems(conv, nearest))
                              taps.adjoint.push_back(pack(problem));
                          } else {
                            taps.adjoint.push_back(pack(convProblem(conv, true, nearest)));
                          }
                          operator_ = std::move(taps);
                        },
                        [&](const Scale& scale) {
                          in_ = out_ = static_cast<int>(scale.scale.size());
                          bias_ = floats(scale.shift, nearest);
                          operator_ =
                              Diagonal{floats(scale.scale, nearest), floats(scale.scale, magnitudeAbove)};
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
  requireFit(in_, out_, pass, in, out);
  if (instructionSet_ != kernels.name)
    throw std::invalid_argument(std::string("affine apply: plan packed for ") + instructionSet_ +
                                ", backend is " + kernels.name);
  const bool accumulate = write == Write::accumulate;
  std::visit(
      Overloaded{[&](const Taps& taps) {
                   if (!adjoint) {
                     const bool magnitude = pass == Pass::magnitude;
                     applyTaps(magnitude ? taps.magnitude : taps.forward, kernels, in, out, accumulate);
                     return;
                   }
                   if (taps.scatters && !accumulate) clear(out);
                   for (const TapPlan& plan : taps.adjoint)
                     applyTaps(plan, kernels, in, out, accumulate || taps.scatters);
                 },
                 [&](const Diagonal& diagonal) {
                   const auto& factors = pass == Pass::magnitude ? diagonal.magnitudes : diagonal.factors;
                   kernels.scale(factors.data(), in, out, accumulate);
                 },
                 [&](const Selection& selection) {
                   if (!adjoint) return kernels.index(selection.source.data(), in, out, accumulate);
                   if (!accumulate) clear(out);
                   kernels.indexAdjoint(selection.source.data(), in, out);
                 }},
      operator_);
}

void CpuAffinePlan::addBias(const KernelTable& kernels, View y) const {
  if (bias_.empty()) return;
  requireBiasFit(out_, y);
  kernels.addBias(bias_.data(), y);
}

}  // namespace bulwark
