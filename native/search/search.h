// Branch and bound on the one dual: a row is proven when every leaf of its tree of splits is.
#pragma once

#include <vector>

#include "bounds/options.h"
#include "bounds/rows.h"
#include "bounds/schedule.h"
#include "search/subproblem.h"

namespace bulwark {

struct SearchOptions {
  long subproblems = 100000;  // most subproblems per image
  int candidates = 2;         // neurons tried by a few steps on both sides before one is split
  int trialSteps = 6;         // ascent steps of a trial
  int steps = 30;             // further ascent steps of a kept child
  int batch = 64;             // subproblems split per round, worst bounds first
  /// Bytes of multipliers kept: of open subproblems, which start afresh where there is no room, and of leaves
  /// where they are asked for; an image whose leaves find no room is left.
  size_t memory = size_t{1} << 30;
  double headroom = 0;  // as in BoundsOptions
  bool leaves = false;  // also return what proves every leaf
  // A child starts near its optimum, which the roots' larger steps would leave first.
  double learningRate = 0.05;
  double decay = 0.95;
};

struct SearchResult {
  std::vector<double> lower;              // per row: the smallest bound of its leaves, open ones included
  std::vector<uint8_t> proven;            // per row: every leaf is proven
  std::vector<long> subproblems;          // per image: bounded
  std::vector<std::vector<Leaf>> leaves;  // per row, of proven rows, when asked for
};

/// Searches the rows of `source`, starting from `roots`: a bound and its multipliers for each row. An image
/// is left with what is known once one of its rows cannot be split further or it has used up its subproblems
/// or its room for leaves, all images once `stop` says so; `lower` is sound at any time. The rounds are the
/// same for any number of threads.
SearchResult searchRows(const RowSource& source, const RowResults& roots, const Images& images,
                        Workers& workers, int target, const DualPreset& preset, const SearchOptions& options,
                        const StopCheck& stop, const Progress& progress);

}  // namespace bulwark
