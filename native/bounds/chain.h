// How the ball of a layer follows from the layer before it, so that its multiplier is paid there and not by
// the worst that can arrive.
//
// With dz = z - zhat and dx = relu(z) - relu(zhat), ||dz_k|| <= ||A_k|| ||dx_j|| where layer k reads layer j
// through affine operators alone; and |dx_j| is a function of the single neurons of layer j, often far less
// than |dz_j|. So lambda_k / 2 (||dz_k||^2 - ||A_k||^2 ||dx_j||^2), never positive, may be added to the
// Lagrangian: layer k gains the first term and layer j pays the second, inside its own closed form,
//     phi = min over the box of c relu(z) - v z + lambda / 2 dz^2 - m / 2 dx^2,   m_j = sum_k ||A_k||^2
//     lambda_k.
// The free variable is what a layer has beyond that, lambda_j = m_j + kappa_j, kappa_j >= 0: then phi is
// convex on each side of the kink, and because |dx| <= |dz| no choice of kappa is worse than with the fixed
// radii rho. Layers that read the input, or a sum of branches, pay lambda_k / 2 rho_k^2.
#pragma once

#include <vector>

#include "bounds/prepared.h"

namespace bulwark {

/// ||dz_k||^2 <= factor ||dx_layer||^2; layer `input`: dx of the input; `none`: only the radius is known.
struct BallSource {
  static constexpr int none = -1, input = -2;
  int layer = none;  // position in the list of ReLUs
  double factor = 0;
};

/// For each of some ReLU nodes, in topological order; their sources are among them.
std::vector<BallSource> ballSources(const Network& network, const Norms& norms,
                                    const std::vector<int>& relus);

}  // namespace bulwark
