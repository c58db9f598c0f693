// A proven upper bound on the largest eigenvalue of a symmetric positive semidefinite matrix.
//
// An estimate (Lanczos) proposes mu; only a Cholesky factorisation of mu I - G that runs to completion in
// floating point is believed. Proof, with u = 2^-53 and N the padded size: let M be the computed
// mu I - G, whose diagonal alone is rounded, each entry by at most u mu. If every pivot is positive, the
// computed factor satisfies R^T R = M + E with |E_ij| <= g / (1 - g) sqrt(M_ii M_jj), g = (N + 1) u /
// (1 - (N + 1) u), in whatever order the sums are taken (Higham, Accuracy and Stability, Theorem 10.3;
// Rump, Verification of positive definiteness, BIT 46, 2006). Hence ||E||_2 <= g / (1 - g) trace(M), and
// since R^T R >= 0,
//     lambda_max(G) <= mu + u mu + g / (1 - g) N mu (1 + u) <= mu (1 + 2 (N + 8) N u)
// as long as (N + 8) u < 0.01; the factor 2 also covers underflow, as G is scaled to have its largest
// eigenvalue above 0.1. A relative 3e-9 at N = 3600: nothing beside the tolerance that mu itself has.
#pragma once

#include "network/symmetric_band.h"

namespace bulwark {

/// The largest Ritz value of a few dozen Lanczos steps: a close lower estimate, not a bound.
double estimateLargestEigenvalue(const SymmetricBand&, const Checkpoint& = goOn);

/// At least the largest eigenvalue of every positive semidefinite matrix within spectral distance `error`
/// of `gram`, whose largest eigenvalue is at least 0.1; about 1e-7 (relative) above it at best. Where any
/// answer up to `floor` is as good as another, that much is proven more cheaply.
double eigenvalueBound(const SymmetricBand& gram, double error, double floor = 0, const Checkpoint& = goOn);

}  // namespace bulwark
