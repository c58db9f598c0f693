// The input's term of the dual, with the ball of the first layer where the input pays for it.
#include "bounds/dual.h"
#include "kernels/coupling.h"

namespace bulwark {

void DualBatch::inputBackward() {
  backend_.inputDual(input_, signal_[0], preset_.climbs ? kInputSteps : kInputStepsAtOnce, dx_, inputValue_);
  if (balls_.coupled >= 0) coupleInput();
}

void DualBatch::coupleInput() {
  const auto& network = images_.prepared().network;
  const auto& plans = images_.prepared().plans;
  // What was in the signals on the way is not needed any more.
  for (const int id : path_) {
    backend_.apply(plans[network.nodes[id].affine], Pass::forward, forwardSignal(network.nodes[id].inputs[0]),
                   signal_[id], Write::assign);
  }
  backend_.norm2(dx_, moved_);
  backend_.norm2(signal_[layers_[balls_.coupled].pre], arrived_);
  for (size_t i = path_.size(); i-- > 0;) {
    const Node& node = network.nodes[path_[i]];
    backend_.apply(plans[node.affine], Pass::adjoint, signal_[path_[i]],
                   i == 0 ? pulled_ : signal_[path_[i - 1]], Write::assign);
  }
  backend_.norm2(pulled_, returned_);
  backend_.coupleInput({.balls = balls_,
                        .eps = input_.eps,
                        .lambda0 = input_.clipped ? input_.lambda : Rows{},
                        .moved = moved_,
                        .arrived = arrived_,
                        .returned = returned_,
                        .value = inputValue_,
                        .keep = keep_,
                        .deflect = deflect_});
  backend_.deflect(input_, keep_, deflect_, pulled_, dx_);
}

}  // namespace bulwark
