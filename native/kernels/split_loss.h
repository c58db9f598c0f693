// What a row loses at a neuron, by which branching ranks splits. The dual lets the neuron take dz, the
// minimiser of phi, while y arrives from below; made to take what arrives (or the end of the box before it),
// its term would be higher by
//
//   loss = c (relu(zhat + y) - relu(zhat + dz)) - v (y - dz)
//
// and the row's whole gap is the sum over neurons, but for what the balls take of it, which no split gives
// back. To that comes a share of what the triangle over the box costs, |c| u (-l) / (u - l): small but never
// 0 where the two agree, so that ties still rank by its height; a good part of it where what arrives lies
// outside the box, since then the loss at its end, often 0, says little of what a split would move.
#pragma once

namespace bulwark {

constexpr float kTriangleShare = 1e-3f, kTriangleShareOutside = 0.3f;
/// Of a neuron that its box leaves nothing to split.
constexpr float kNothingLost = -3.402823466e38f;

}  // namespace bulwark
