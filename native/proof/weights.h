// Multipliers per neuron. With lambda_i >= 0 for each neuron of a pre-activation that deviates by dz = A dx
// from its nominal value, dx the deviation of what A reads (chain.h: but for the drift),
//     dz^T L dz = dx^T A^T L A dx <= s dx^T D dx,        L = diag(lambda), D = diag(share) > 0,
// for every s that is at least the largest eigenvalue of D^-1/2 A^T L A D^-1/2. So what reads no further back
// than a ReLU may have its neurons pay m_j = s share_j each, in the place of ||A||_2^2 max lambda; and over
// the inputs, where D = 1, H = A^T L A <= s I is what the input's term needs (coupling.h).
#pragma once

#include "proof/proof_network.h"

namespace bulwark::proof {

/// At least that eigenvalue, for numbers lambda >= 0 that lie kLanes apart; `share` null: all 1. Infinity
/// where nothing can be said.
double weightedSquare(const Composition&, const double* lambda, const float* share);

}  // namespace bulwark::proof
