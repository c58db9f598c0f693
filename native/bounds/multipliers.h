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
  const auto& [slope, lambda, inputLambda, weights, guess] = multipliers;
  size_t floats = lambda.size() + guess.size();
  for (const auto& each : slope) floats += each.size();
  for (const auto& [own, share] : weights) floats += own.size() + share.size();
  return sizeof(Multipliers) + slope.size() * sizeof(slope[0]) + weights.size() * sizeof(weights[0]) +
         floats * sizeof(float);
}

inline size_t bytesOf(const Leaf& leaf) {
  return sizeof(Leaf) - sizeof(Multipliers) + leaf.splits.capacity() * sizeof(Split) +
         bytesOf(leaf.multipliers);
}

}  // namespace bulwark
