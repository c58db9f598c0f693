// What is claimed of a network over one region, and the multipliers that are to prove it.
#pragma once

#include <cstdint>
#include <vector>

#include "bounds/multipliers.h"

namespace bulwark::proof {

/// The free variables of the dual: walking backwards, a ReLU with incoming coefficients c (float64, as
/// computed) gets v = slope * c, rounded once. Finite slopes of any size and lambdas >= 0 prove a sound
/// bound.
using bulwark::Multipliers;

/// Restricts the claim to the part of the region where a pre-activation has one sign.
struct Split {
  int32_t relu = 0;  // index of the ReLU in topological order, among all of the network
  int32_t feature = 0;
  bool positive = true;  // z >= 0, else z <= 0
};

/// row^T y + constant >= bound for the value y of the target everywhere on the region of `image`; with an
/// `inputSlope`, row^T y + constant >= inputSlope^T x + bound at every input x of it.
struct Claim {
  static constexpr int32_t output = -1;

  int32_t image = 0;
  int32_t target = output;  // or k: the pre-activation of the k-th ReLU
  std::vector<double> row;  // on the target's features in stored order; empty: sign * e_feature
  int32_t feature = 0;      // of a unit row
  double sign = 1;          // of a unit row, 1 or -1
  double constant = 0;
  std::vector<float> inputSlope;  // on the input's features; empty: none
  std::vector<Split> splits;
  const Multipliers* multipliers = nullptr;  // null: CROWN's slopes, where these will do
};

/// What "the network" means in a claim.
///
/// `real`: the function of the stored weights over the reals.
///
/// `float32`: also every run of the network's nodes, one by one, in IEEE float32 with gradual underflow.
/// Inputs and constants are rounded to float32 once; an output of a linear or convolution node is its
/// products and its bias summed in any order, each product rounded or fused into a sum, sums kept in float32
/// or anything wider; a scale node is a product and a sum; an add is one sum. Results that could overflow are
/// not proven.
enum class Arithmetic { real, float32 };

}  // namespace bulwark::proof
