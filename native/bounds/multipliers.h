// What a row's bound is made of: the dual's free variables, and the splits it holds under.
#pragma once

#include <cstddef>
#include <vector>

namespace bulwark {

/// The free variables of one row. Any values give a sound bound; v_k = slope * c_k.
struct Multipliers {
  std::vector<std::vector<float>> slope;  // per ReLU below the target, in topological order
  std::vector<float> lambda;              // ball multiplier per ReLU
  float inputLambda = 0;                  // of a clipped l2 ball
  /// Multipliers per neuron (weighted/), of ReLUs that have them: of each neuron's deviation, beside what it
  /// pays for later balls, in place of `lambda`; and the proportions, above 0, in which its neurons pay.
  struct Weights {
    std::vector<float> own, share;
    bool operator==(const Weights&) const = default;
  };
  std::vector<Weights> weights;  // per ReLU; none at all where no ReLU has any
  std::vector<float> guess;      // no part of the bound: where a lambda starts that leaves 0
};

/// One side of a ReLU: its pre-activation is >= 0 (`active`) or <= 0.
struct Split {
  int relu;  // position among the ReLUs below the target, in topological order
  int feature;
  bool active;
};

/// A part of a row's region, where its splits hold, and what proves a bound there.
struct Leaf {
  std::vector<Split> splits;
  Multipliers multipliers;
  double bound;
};

/// Bytes that multipliers take.
inline size_t bytesOf(const Multipliers& multipliers) {
  size_t floats = multipliers.lambda.size() + 1;
  for (const auto& slope : multipliers.slope) floats += slope.size();
  for (const auto& [own, share] : multipliers.weights) floats += own.size() + share.size();
  return floats * sizeof(float);
}

}  // namespace bulwark
