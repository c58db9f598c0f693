// One walk back from a target, for the rows of a block: prover.h says what it keeps.
#pragma once

#include <memory>
#include <span>

#include "proof/buffers.h"
#include "proof/claim.h"
#include "proof/facts.h"
#include "proof/proof_network.h"

namespace bulwark::proof {

/// Proven lower bounds for 1 to kLanes claims on the same target, all with an input slope or none; `images`
/// are what claims count. A claim's bits do not depend on its company.
void walkBack(const ProofNetwork&, std::span<const std::unique_ptr<ImageFacts>> images, const KernelTable&,
              std::span<const Claim* const> claims, Buffers&, double* bounds);

}  // namespace bulwark::proof
