// What a row's bound is made of: the dual's free variables, and the splits it holds under.
#pragma once

#include <vector>

namespace bulwark {

/// The free variables of one row. Any values give a sound bound; v_k = slope * c_k.
struct Multipliers {
  std::vector<std::vector<float>> slope;  // per ReLU below the target, in topological order
  std::vector<float> lambda;              // ball multiplier per ReLU
  float inputLambda = 0;                  // of a clipped l2 ball
  std::vector<float> guess;               // no part of the bound: where a lambda starts that leaves 0
};

/// One side of a ReLU: its pre-activation is >= 0 (`active`) or <= 0.
struct Split {
  int relu;  // position among the ReLUs below the target, in topological order
  int feature;
  bool active;
};

}  // namespace bulwark
