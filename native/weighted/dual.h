// The one dual with multipliers per neuron, for up to kLanes rows of one network: its value and its gradient,
// in plain float64. Nothing here is believed: what an ascent ends with is proven by proof/walk.h.
//
// Relative to the nominal run (bounds/dual.h), with kappa >= 0 per neuron, and the proportions d > 0 in which
// a layer pays (proof/weights.h):
//     D = c^T zhat + sum_k sum_i phi_i(c, v, lambda_k, m_k) + min over the ball of a^T dx - dx^T H dx / 2,
//     lambda_k = m_k + kappa_k,    m_j = sum over the k that read j of s_k d_j,    s_k the largest eigenvalue
//     of D_j^-1/2 A_k^T L_k A_k D_j^-1/2,    H = A_1^T L_1 A_1,
// and the last term as in kernels/coupling.h. It is jointly concave in v, kappa and m; the derivative of s_k
// is given by the eigenvector: with S u = s u, S = L^1/2 A D^-1 A^T L^1/2 and y = D^-1/2 (D^-1/2 A^T L^1/2 u)
// / s^1/2,
//     ds / dlambda_i = s u_i^2 / lambda_i,        ds / dd_j = - s y_j^2.
// Layers without weights have one kappa, and d = 1.
#pragma once

#include <span>
#include <vector>

#include "proof/facts.h"
#include "weighted/lanes.h"
#include "weighted/plan.h"

namespace bulwark::weighted {

/// The free variables of a layer, one entry for each neuron, or in a layer without weights one kappa and no
/// share.
struct Variables {
  Lanes slope, logKappa, logShare;
};

class Dual {
 public:
  /// Lane r is of image images[r]; lanes left over repeat the last. Everything must outlive it.
  Dual(const Plan& plan, std::span<const proof::ImageFacts* const> images);

  /// The coefficients of the output in each lane.
  void setGoal(const Lanes& coefficients) { goal_ = coefficients; }
  /// Lengths of the layers' coefficients at the variables' slopes.
  std::vector<PerLane> coefficientNorms(const std::vector<Variables>&);

  /// D - c^T zhat of each lane.
  PerLane evaluate(const std::vector<Variables>&);
  /// Of the last `evaluate`.
  void gradient(std::vector<Variables>& into);

  /// Of a clipped ball, as of the last `evaluate`, which goes on from it.
  Lanes& inputLambda() { return inputLambda_; }
  const PerLane& radius(size_t layer) const { return layers_[layer].rho; }

 private:
  struct Layer {
    Lanes zhat, lower, upper;  // the box as deviations
    PerLane rho;
    // Of the last evaluation.
    Lanes c, slope, kappa, share, paid, lambda;  // the last four as in Variables
    Lanes dz, dx;
    PerLane square;    // s
    Lanes top, payer;  // u, y
    // Of the last gradient.
    Lanes arrived, byLambda;  // dy; d(bound)/d(lambda) with all that other layers pay for it
  };
  /// The input's term.
  struct Input {
    Lanes center, lower, upper;  // deviations
    PerLane eps;
    bool clipped = false;
    Lanes dx;                 // where the term is smallest, nearly
    Lanes through, returned;  // A r and A^T L A r, r what the box leaves
    PerLane c1, c2, byBound;  // d(term)/d(m1), /d(m2), /d(h)
    PerLane m1, m2, h;
  };

  void pay(const std::vector<Variables>&);
  void payOf(size_t layer);
  PerLane backward();
  PerLane passRelu(Layer&);
  PerLane reachInput();
  PerLane couple(const Lanes& boxed, PerLane value);
  void forward();
  void differentiate();
  Lanes product(int node, bool forward, const Lanes& x) const;
  double lambdaAt(const Layer& layer, size_t at) const;
  static void give(Lanes from, Lanes& to);

  const Plan& plan_;
  std::vector<Layer> layers_;
  Input input_;
  Lanes inputLambda_, goal_;
  std::vector<Lanes> signal_;  // by node
};

}  // namespace bulwark::weighted
