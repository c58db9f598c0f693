// Spectral norm bound of a convolution too large for its Gram matrix, from frequency blocks.
//
// The zero-padded operator A on a finite map is a compression (some rows, some columns) of a circular
// convolution C on a grid large enough that nothing which wraps around meets the map again: ||A|| <= ||C||.
// With stride s the grid has s m pixels along an axis and C maps them to m; sorted by phase (pixel mod s)
// the input has in * s * s channels on the output's own grid, and C is an ordinary circular convolution
// between the two. It may also be twisted: what wraps around is multiplied by exp(2 pi i theta). In the
// basis exp(i w q), w = 2 pi (j + theta) / m, C is block diagonal, so ||C|| is the largest norm of a block
//     B(w) = sum over taps t of K_t exp(i w a_t),   [out] x [in * phases].
// The border costs A a little of the symbol's peak; a twist that puts no sample w onto the peak gives most
// of that back, so the best of theta in {0, 1/2} per axis is taken (these keep B(-w) = conj B(w), which
// halves the work). Every choice is a bound; the choice is made by unproven estimates.
//
// Rounding: an angle is pi (2 (j + theta) a mod 2 m) / m with an exact integer, so cos and sin are off by
// less than 32 u and a block by less than (taps + 32) u sum ||K_t||_F in norm, added at the end.
#pragma once

#include "network/network.h"
#include "network/spectral.h"

namespace bulwark {

/// At least the norm of a convolution with one group whose weights are at most 1 in size, one of them at
/// least 0.5 and read somewhere on the map.
double circularNormBound(const Conv&, const ParallelFor&, const Checkpoint& = goOn);

}  // namespace bulwark
