// The minimum over an l2 ball of a linear term that also pays the ball of the first ReLU layer: with dx = x -
// center, C the exact linear map to that layer through affine nodes alone, and d = ||dx||,
//     g^T x - lambda / 2 ||C dx||^2,        d <= eps.
//
// Split g = (g - a) + a for any vector a: where the ball is clipped, g - a is what the box's multipliers take
// off, and that part has its minimum over the box; for a whole ball a = g. With H = lambda C^T C <= h I, h =
// lambda ||C||^2, and any mu > h,
//     a^T dx - 1/2 dx^T H dx >= - 1/2 a^T (mu I - H)^-1 a - 1/2 mu d^2,
// the minimum of a^T dx + 1/2 dx^T (mu I - H) dx. And for any t < mu, with alpha = 1 / (mu - t), beta = 1 /
// (mu - h) and x = s - t,
//     1 / (mu - s) = alpha (1 + alpha x + alpha^2 x^2 / (1 - alpha x)) <= alpha + alpha^2 x + alpha^2 beta
//     x^2
// for all s <= h, because 1 - alpha x = alpha (mu - s) >= alpha / beta. So for the symmetric H
//     a^T (mu I - H)^-1 a <= alpha m0 + alpha^2 (m1 - t m0) + alpha^2 beta (m2 - 2 t m1 + t^2 m0),
//     m0 = ||a||^2,  m1 = a^T H a = lambda ||C a||^2,  m2 = ||H a||^2 = lambda^2 ||C^T C a||^2.
// m0 and m2 have factors >= 0 (at s = 0 the right side is at least 1 / mu). The products are rounded: of y =
// A x, fl(y) is within gamma_n |A| |x|, in norm gamma_n ||A||_F ||x||, and an error e before it becomes at
// most ||A||_F e.
//
// With weights w_i per neuron of the layer (weights.h) the ball's term is lambda / 2 sum w_i (C dx)_i^2, so H
// = lambda C^T W C for W = diag(w), h = lambda ||W^1/2 C||^2, and the moments are those of W^1/2 C a and C^T
// W C a.
#pragma once

#include <span>

#include "proof/buffers.h"
#include "proof/chain.h"
#include "proof/lane_images.h"
#include "proof/proof_network.h"

namespace bulwark::proof {

/// The rows of a block.
struct CoupledRows {
  const LaneImages* images;
  const double* g;            // [feature][lane]
  const double* inputLambda;  // [lane], >= 0: of the ball where it is clipped, as in input_term.h
  InputChain chain;           // of C; its path serves all lanes
  double lambda[kLanes];      // 0: nothing is asked for
  double square[kLanes];      // at least ||W^1/2 C||^2
  const double* weights;      // [feature][lane], >= 0; null: 1
  double rest[kLanes];        // to be taken from the minimum
  double minimum[kLanes];     // the outcome, -infinity where there is none
};

/// A lower bound of g^T x - lambda / 2 ||C dx||^2 - rest over each lane's set, a whole or clipped l2 ball,
/// for up to kBlocks blocks of rows with the same C. A block's bits do not depend on the other.
void coupledMinimum(const ProofNetwork&, const KernelTable&, std::span<CoupledRows>, Buffers&);

}  // namespace bulwark::proof
