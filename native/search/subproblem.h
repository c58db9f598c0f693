// Branch and bound's bookkeeping: a subproblem is a row with some neurons confined to one side of their kink.
#pragma once

#include <memory>
#include <vector>

#include "bounds/dual.h"

namespace bulwark {

/// A neuron worth splitting.
struct Candidate {
  int relu, feature;
  float score;  // what the row's relaxation can lose there
};

struct Subproblem {
  long row;                                  // of the specification's rows
  long age;                                  // subproblems made before it
  std::vector<Split> splits;                 // from the root of the row's tree
  double bound;                              // best lower bound known
  std::shared_ptr<const Multipliers> start;  // where its ascent goes on; null: fresh
  std::vector<Candidate> candidates;         // best first, at least one
};

}  // namespace bulwark
