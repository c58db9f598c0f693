// Bounds that are decided, not only computed: the joint bound, then branch and bound on the rows it leaves.
#pragma once

#include <optional>

#include "attack/replay.h"
#include "bounds/bounds.h"
#include "search/search.h"

namespace bulwark {

struct CompleteResult {
  std::vector<double> lower;              // [count][rowCount]
  std::vector<uint8_t> timedOut;          // [count] 1: the stop check cut this image short
  std::vector<BoxClaim> boxes;            // what the boxes relied on, with the multipliers
  std::vector<int64_t> subproblems;       // [count] bounded beside the roots, for boxes too
  std::vector<Limit> limit;               // [count] what, beside the time, ended it undecided
  std::vector<std::vector<Leaf>> leaves;  // [count][rowCount] of rows with lower > 0; empty unless asked for
  std::optional<AttackResult> attack;     // where it was to falsify
};

/// `options.method` joint bounds the roots, with `options.boxes`; its `timeLimit` is for all.
CompleteResult completeBounds(const Prepared& prepared, const Region& region,
                              const Specification& specification, const BoundsOptions& options,
                              const SearchOptions& search, Workers& workers, const StopCheck& stop,
                              const Progress& progress, const Settled<CompleteResult>& settled = {});

}  // namespace bulwark
