// Walks back from a target, for blocks of rows: prover.h says what they keep.
#pragma once

#include <memory>
#include <span>

#include "proof/buffers.h"
#include "proof/claim.h"
#include "proof/facts.h"
#include "proof/proof_network.h"

namespace bulwark::proof {

/// What a walk with CROWN's slopes knows of a row beside its bound.
struct AffineRow {
  float* slope;    // where to put it, [input features]
  double* offset;  // row >= slope^T x + offset on the region
};

/// 1 to kLanes claims that share a walk, all on the same target, all with an input slope or none.
struct WalkBlock {
  std::span<const Claim* const> claims;
  double* bounds;                     // where to put them
  std::span<const AffineRow> affine;  // of claims without multipliers: none, or a row for each claim
};

/// Proven lower bounds for the claims of 1 to kBlocks blocks of one kind, which then read each weight once;
/// `images` are what claims count. A claim's bits do not depend on its company. Claims without multipliers,
/// which are then all of one image, take CROWN's slopes, from the boxes of its facts, and no balls.
void walkBack(const ProofNetwork&, std::span<const std::unique_ptr<ImageFacts>> images, const KernelTable&,
              std::span<const WalkBlock> blocks, Buffers&);

}  // namespace bulwark::proof
