// Climbing the dual with multipliers per neuron, from what the joint dual ended with.
#pragma once

#include <span>
#include <vector>

#include "bounds/multipliers.h"
#include "bounds/options.h"
#include "proof/claim.h"
#include "weighted/plan.h"

namespace bulwark::weighted {

struct AscentOptions {
  int iterations = 0;
  double learningRate = 0.1, decay = 0.985;
  /// Rows end when all in a climb are believed to be above this part of their values at the centre; infinity:
  /// never.
  double headroom = 0;
};

/// For each of up to kLanes claims on the output, from claims[r].multipliers on, multipliers with weights;
/// images[r] is its image, of an l2 ball. What they are worth is for proof::Prover to say.
std::vector<Multipliers> climb(const Plan& plan, std::span<const proof::Claim* const> claims,
                               std::span<const proof::ImageFacts* const> images, const AscentOptions& options,
                               const StopCheck& stop);

}  // namespace bulwark::weighted
