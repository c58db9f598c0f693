// Who pays for the balls of the claims in a block's lanes. A multiplier lambda for the ball of a
// pre-activation is worth something to the minima over its neurons and costs lambda / 2 || z - zhat ||^2.
// That is paid
//   - by the neurons of an earlier ReLU, where the ball follows from them (chain.h), in proportions that
//     their weights give, if they have any (weights.h);
//   - by the input's term, for the first ReLU that reads an l2 ball through affine nodes alone (coupling.h);
//   - by the bound, with the radius: lambda / 2 rho^2.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "proof/buffers.h"
#include "proof/claim.h"
#include "proof/coupling.h"
#include "proof/kernels.h"
#include "proof/lane_images.h"
#include "proof/proof_network.h"

namespace bulwark::proof {

/// Of one walk; what it returns points into it.
class Payments {
 public:
  /// The claims in the lanes. What they point to, the network and the buffers must outlive the payments.
  Payments(const ProofNetwork&, const std::array<const Claim*, kLanes>&, const LaneImages&, Buffers&);

  /// To be called for the ReLUs below the target from the last to the first: sees to it that the ball of ReLU
  /// `relu` (among all of the network) is paid, and says what that one pays itself. Until the next call.
  ReluBalls pass(int relu);

  /// After the last ReLU: what the bound pays in a lane.
  double byRadius(int lane) const { return byRadius_[lane]; }
  /// Takes from minima at the input what the ball that they are to pay costs by its radius.
  void takeRadius(double* minimum) const;
  /// The input's term with that ball in it, for coupledMinimum; no value where there is no such ball. `g` and
  /// `inputLambda` as there.
  std::optional<CoupledRows> atInput(const double* g, const double* inputLambda) const;

 private:
  void findCoupled();
  int preOf(int relu) const;
  /// The place of a ReLU among those below the target, as multipliers list them.
  int layerOf(int relu) const;
  /// The proportions in which the neurons of a ReLU pay; null where it has no weights.
  const float* shareOf(int layer, int lane) const;
  double* sharesOf(int relu);
  ReluBalls scalarBalls(int relu, int layer);
  ReluBalls weightedBalls(int relu, int layer);
  void payScalar(int relu);
  /// For multipliers per neuron.
  void payWeighted(int relu);
  /// Pays lambda[lane] for the ball before ReLU `relu`: by the radius, as far as it does not follow from a
  /// ReLU before it; for the rest `pay(source, lane, chain)` charges that one.
  template <typename Pay>
  void payBefore(int relu, const double* lambda, Pay pay);

  const ProofNetwork& network_;
  const std::array<const Claim*, kLanes> claims_;
  const LaneImages images_;
  Buffers& buffers_;
  const std::vector<int>& below_;
  double byRadius_[kLanes] = {};
  /// Lane by lane, what each ReLU of the network pays for the balls of those already passed.
  std::vector<std::array<double, kLanes>> payment_;
  /// The same per neuron, [feature][lane]; null: nothing beside `payment_`.
  std::vector<Buffers::Buffer> shares_;
  /// Of the ReLU passed last, as ReluBalls has them: [lane], or [feature][lane] and one after the other.
  alignas(64) double lambda_[kLanes], inverse_[kLanes], stiff_[kLanes], stiffInverse_[kLanes];
  Buffers::Buffer own_;
  /// Where the input pays the ball of a ReLU: which, its pre-activation, and by which multiplier.
  int coupled_ = -1, coupledPre_ = -1;
  double coupling_[kLanes] = {};
  Buffers::Buffer weights_;  // of that ball per neuron, [feature][lane]; null: `coupling_` for all
};

}  // namespace bulwark::proof
