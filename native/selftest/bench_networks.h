// Networks of published sizes with random weights, every layer's norm about 1 as in the published ones.
#pragma once

#include <string>
#include <vector>

#include "bounds/problem.h"
#include "network/network.h"

namespace bulwark::selftest {

struct BenchNetwork {
  std::string name;
  Network network;
  double eps;    // of an l2 ball
  bool clipped;  // to [0, 1]
  bool large;

  /// Random images.
  Region region(int count) const;
};

/// The four shared networks' sizes, and that of ConvLarge.
const std::vector<BenchNetwork>& benchNetworks();

/// Nine margins of class 0.
Specification ninePerImage(int outputs);
/// Products of a weight and an input in one application, padding not counted.
double weightsApplied(const Affine& affine);
std::string describe(const Affine& affine);
int neuronsOf(const Network& network);

}  // namespace bulwark::selftest
