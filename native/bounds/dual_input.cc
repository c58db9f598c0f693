// The input's term of the dual, with the ball of the first layer where the input pays for it.
#include <cmath>

#include "bounds/coupling.h"
#include "bounds/dual.h"

namespace bulwark {

void DualBatch::inputBackward() {
  backend_.inputDual(input_, signal_[0], preset_.climbs ? kInputSteps : kInputStepsAtOnce, dx_, inputValue_);
  inputTerm_.resize(rows());
  backend_.read(inputValue_, inputTerm_.data());
  if (coupled_ >= 0) coupleInput();
}

void DualBatch::coupleInput() {
  Layer& layer = layers_[coupled_];
  const auto& network = images_.prepared().network;
  const auto& plans = images_.prepared().plans;
  // What was in the signals on the way is not needed any more.
  for (const int id : path_) {
    backend_.apply(plans[network.nodes[id].affine], Pass::forward, forwardSignal(network.nodes[id].inputs[0]),
                   signal_[id], Write::assign);
  }
  const auto norms = [&](View view) {
    std::vector<float> out(rows());
    backend_.norm2(view, keep_);
    backend_.read(keep_, out.data());
    return out;
  };
  const std::vector<float> moved = norms(dx_), arrived = norms(signal_[layer.pre]);
  for (size_t i = path_.size(); i-- > 0;) {
    const Node& node = network.nodes[path_[i]];
    backend_.apply(plans[node.affine], Pass::adjoint, signal_[path_[i]],
                   i == 0 ? pulled_ : signal_[path_[i - 1]], Write::assign);
  }
  const std::vector<float> returned = norms(pulled_);

  std::vector<float> eps(rows()), lambda0(rows()), keep(rows()), deflect(rows());
  backend_.read(input_.eps, eps.data());
  if (input_.clipped) backend_.read(input_.lambda, lambda0.data());
  const auto square = [](double x) { return x * x; };
  for (int r = 0; r < rows(); ++r) {
    const double ball = square(eps[r]);
    const CoupledRow row = coupled({.value = inputTerm_[r],
                                    .eps = eps[r],
                                    .lambda0 = input_.clipped ? lambda0[r]
                                               : ball > 0     ? -inputTerm_[r] / ball
                                                              : 0,
                                    .moved2 = square(moved[r]),
                                    .arrived2 = square(arrived[r]),
                                    .returned2 = square(returned[r]),
                                    .lambda = layer.lambda[r] + layer.payment[r],
                                    .norm2 = layer.source.factor});
    inputTerm_[r] = row.value;
    layer.allowed[r] = row.allowed;
    keep[r] = static_cast<float>(row.keep);
    deflect[r] = static_cast<float>(row.deflect);
  }
  backend_.write(deflect.data(), deflect_);
  backend_.write(keep.data(), keep_);
  backend_.deflect(input_, keep_, deflect_, pulled_, dx_);
}

}  // namespace bulwark
