// Walks back from a target, for blocks of rows: prover.h says what they keep.
#pragma once

#include <memory>
#include <span>

#include "proof/buffers.h"
#include "proof/claim.h"
#include "proof/facts.h"
#include "proof/proof_network.h"

namespace bulwark::proof {

/// 1 to kLanes claims that share a walk, all on the same target, all with an input slope or none.
struct WalkBlock {
  std::span<const Claim* const> claims;
  double* bounds;  // where to put them
};

/// Proven lower bounds for the claims of 1 to kBlocks blocks of one kind, which then read each weight once;
/// `images` are what claims count. A claim's bits do not depend on its company.
void walkBack(const ProofNetwork&, std::span<const std::unique_ptr<ImageFacts>> images, const KernelTable&,
              std::span<const WalkBlock> blocks, Buffers&);

}  // namespace bulwark::proof
