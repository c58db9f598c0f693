// Branch and bound on the one dual: a row is proven when every leaf of its tree of splits is.
#pragma once

#include <vector>

#include "bounds/options.h"
#include "bounds/rows.h"
#include "bounds/schedule.h"
#include "search/falsifier.h"
#include "search/subproblem.h"

namespace bulwark {

struct SearchOptions {
  long subproblems = 100000;  // most subproblems per image of the region
  /// Most subproblems for the boxes of one layer of an image, where these are optimised; 0: none.
  long boxSubproblems = 0;
  int candidates = 2;  // neurons tried by a few steps on both sides before one is split
  int trialSteps = 6;  // ascent steps of a trial
  int steps = 30;      // further ascent steps of a kept child
  int batch = 64;      // subproblems split per round, worst bounds first
  /// Bytes kept, of open subproblems, most of them where their ascents go on, without which these start
  /// afresh, and of leaves where they are asked for; an image that finds no room is left.
  size_t memory = size_t{1} << 30;
  double headroom = 0;  // as in BoundsOptions
  bool leaves = false;  // also return what proves every leaf
  /// Also attack from the minimisers of subproblems, and leave an image at its first negative row.
  bool falsify = false;
  /// A bound is that of its own multipliers, even where its parent's is better: for bounds that others rely
  /// on before anything is proven.
  bool ownBounds = false;
  // A child starts near its optimum, which the roots' larger steps would leave first.
  double learningRate = 0.05;
  double decay = 0.95;
};

/// What ended the search of a unit that is not decided.
enum class Limit : uint8_t {
  none,
  subproblems,
  memory,    // a subproblem or a proven leaf found no room
  splits,    // nothing was left to split, and the ascent fell short
  falsified  // a row is negative at a point of the region
};

struct SearchResult {
  std::vector<double> lower;              // per row: the smallest bound of its leaves, without `open` ones
  std::vector<uint8_t> lost;              // per row: some leaf is neither proven nor open
  std::vector<long> subproblems;          // per unit: bounded
  std::vector<Limit> limit;               // per unit
  std::vector<Subproblem> open;           // what is left where the budget or the time ended, worst first
  std::vector<std::vector<Leaf>> leaves;  // per row, when asked for: proven ones
};

/// What rows may spend together: row r counts for unit[r], each of which has a budget of subproblems. Rows of
/// a unit are given up together.
struct Budgets {
  std::vector<int> unit;   // per row
  std::vector<long> most;  // per unit
};

/// Searches the rows of `source`, starting from `roots`: a bound and multipliers (or none: afresh) for each
/// row. A unit is left once one of its rows cannot be split further or is falsified, or it has used up its
/// budget of subproblems or finds no room, all once `stop` says so; `lower` is sound at any time. The
/// rounds are the same for any number of threads. `falsifier`: attacks the same rows, one of which falsifies
/// its unit.
SearchResult searchRows(const RowSource& source, const RowResults& roots, const Images& images,
                        const Budgets& budgets, Workers& workers, int target, const DualPreset& preset,
                        const SearchOptions& options, const StopCheck& stop, const Progress& progress,
                        Falsifier* falsifier = nullptr);

}  // namespace bulwark
