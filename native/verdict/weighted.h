// The second stage of Method::weighted: weights per neuron for rows that the joint dual has bounded.
#pragma once

#include <span>
#include <vector>

#include "bounds/options.h"
#include "proof/prover.h"

namespace bulwark {

/// Climbs on from the claims' multipliers (weighted/ascent.h) and raises bounds[i], which is proven of
/// claims[i], to what is proven with the weights found; with `stopWhenProven` only of rows that are not above
/// 0 yet. Claims are on the output, of l2 balls and without splits. Not all is done once `stop` returns true.
void raiseByWeights(const proof::ProofNetwork& network, const proof::Prover& prover,
                    std::span<const proof::Claim> claims, const BoundsOptions& options, ThreadPool& pool,
                    const StopCheck& stop, std::vector<double>& bounds);

}  // namespace bulwark
