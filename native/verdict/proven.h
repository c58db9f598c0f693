// From what the optimiser believes to what is proven: the multipliers that the float32 engine ended with are
// evaluated again by `proof/`, which shares no bound code with it, and only its bounds are reported.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "bounds/bounds.h"
#include "proof/prover.h"
#include "search/complete.h"

namespace bulwark {

/// The same model for the engine and for the proof. Their features may be stored in different orders at the
/// input and the output.
struct ProofModel {
  const proof::ProofNetwork& network;
  std::vector<int32_t> input, output;  // [position in the proof network] = position in the engine's
};

struct ProofOptions {
  proof::Arithmetic arithmetic = proof::Arithmetic::real;
  /// Leave an image unless all its rows are believed positive: for callers who want the verdict only.
  bool decidedOnly = false;
  /// Bounds came from norms alone (Method::lip) and have no multipliers.
  bool byNorms = false;
  /// Nobody asks for what proves the boxes: where CROWN makes them, the proof may do so itself.
  bool ownBoxes = false;
};

/// The headroom (see BoundsOptions) with which ascents aim, so that what they believe can be proven.
double headroomFor(const std::optional<ProofOptions>& options);

/// Whether bounds are computed by the proof alone, without the float32 engine: CROWN's, where nobody asks for
/// multipliers.
bool provesItself(const BoundsOptions& options, const ProofOptions& proof);

/// Makes the model ready for proofs, which may take long, or gives up once `stop` says so.
using ProofModelSource = std::function<std::optional<ProofModel>(const StopCheck& stop)>;

/// Bounds that are proven, batch of images by batch, so that what was proven before the time ended stays.
struct ProvenBounds {
  const Prepared& prepared;
  const Region& region;
  const Specification& specification;
  /// Multipliers must be asked for, unless `proof.byNorms` or `provesItself`. Of `timeLimit`, a part is kept
  /// for the proofs of the last batch.
  const BoundsOptions& options;
  const ProofOptions& proof;
  const ProofModelSource& model;
  Workers& workers;
  ThreadPool& pool;
  const StopCheck& stop;
  const Progress& progress;

  /// `computeBounds`, then `lower` is what is proven (which can be more than a method's own bound where that
  /// leaves out what the proof uses, as SDP-CROWN leaves out boxes: then the method's stays); -infinity where
  /// no multipliers are known, nothing is proven or nothing was tried. An image that the time ran out for
  /// before all its rows were tried counts as timed out.
  BoundsResult compute() const;

  /// `completeBounds`, for which leaves must be asked for, and likewise: a proven row's bound is the smallest
  /// proven bound of its leaves, other rows have -infinity.
  CompleteResult search(const SearchOptions& search) const;
};

}  // namespace bulwark
