// One walk back from a target, for the rows of a block: prover.h says what it keeps.
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

/// Proven lower bounds for 1 to kLanes claims on the same target, all with an input slope or none; `images`
/// are what claims count. A claim's bits do not depend on its company. Claims without multipliers, which are
/// then all of one image, take CROWN's slopes, from the boxes of its facts, and no balls; of theirs, `affine`
/// may ask for affine bounds too.
void walkBack(const ProofNetwork&, std::span<const std::unique_ptr<ImageFacts>> images, const KernelTable&,
              std::span<const Claim* const> claims, Buffers&, double* bounds,
              std::span<const AffineRow> affine = {});

}  // namespace bulwark::proof
