// Upper bounds on spectral norms that hold by construction, in floating point. Power iteration and its
// kin only ever propose a value; what is returned has been proven by a Cholesky factorisation (see
// eigenvalue_bound.h) of mu I - A A^T (or A^T A, whichever is cheaper).
//
// - Matrices: the full Gram matrix.
// - Convolutions, group by group: their Gram matrix is a band, because a pixel meets only its neighbours.
//   That gives the norm of the zero-padded operator itself. Where the band is too costly: the frequency
//   blocks of a circular embedding (circular_embedding.h), an upper bound on it.
// - Scales and indices: closed forms.
//
// Rounding on the way to the Gram matrix G: a computed entry is off by at most g (|A| |A|^T)_ij, with g =
// 2 m u for sums of at most m products, and || |A| |A|^T ||_2 <= ||A||_F^2 = trace(A A^T); that enters
// `eigenvalueBound` as `error`. Weights are first scaled by a power of two, so that nothing overflows.
#pragma once

#include <functional>

#include "network/network.h"
#include "network/symmetric_band.h"

namespace bulwark {

/// Calls the body for 0 .. count - 1, in any order and on any threads.
using ParallelFor = std::function<void(int count, const std::function<void(int)>& body)>;

/// Runs the body on the calling thread.
void serialFor(int count, const std::function<void(int)>& body);

/// At least ||A||_2. Throws std::invalid_argument for weights that are not finite, and what `checkpoint`
/// throws.
double spectralNormBound(const Affine&, const ParallelFor& = serialFor, const Checkpoint& checkpoint = goOn);

}  // namespace bulwark
