// From what the optimiser believes to what is proven: the multipliers that the float32 engine ended with are
// evaluated again by `proof/`, which shares no bound code with it, and only its bounds are reported.
#pragma once

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
};

/// The headroom (see BoundsOptions) with which ascents aim, so that what they believe can be proven.
double headroomFor(const std::optional<ProofOptions>& options);

/// Lowers `result.lower` to what is proven (which can be more than a method's own bound where that leaves out
/// what the proof uses, as SDP-CROWN leaves out boxes: then the method's stays); -infinity where no
/// multipliers are known, nothing is proven or nothing was tried. `result` must come from `computeBounds` on
/// the same problem with multipliers asked for.
void prove(const ProofModel& model, const Region& region, const Specification& specification,
           const ProofOptions& options, ThreadPool& pool, const StopCheck& stop, BoundsResult& result);

/// The same for branch and bound: a proven row's bound becomes the smallest proven bound of its leaves, other
/// rows -infinity. `result` must come from `completeBounds` with leaves asked for.
void prove(const ProofModel& model, const Region& region, const Specification& specification,
           const ProofOptions& options, ThreadPool& pool, const StopCheck& stop, CompleteResult& result);

}  // namespace bulwark
