// A batch of images ready for the dual: the nominal run of the network at each centre, the region as
// deviations from it, pre-activation boxes and balls. Everything is in device memory, one lane an image.
#pragma once

#include <vector>

#include "bounds/arena.h"
#include "bounds/multipliers.h"
#include "bounds/prepared.h"
#include "bounds/problem.h"

namespace bulwark {

/// What is known of one node for every image: nominal value, deviation box around it, ball radius.
struct NodeBounds {
  View zhat, lower, upper;
  Rows rho;
};

/// sign * z_feature at a ReLU's pre-activation: a row whose bound went into a box. Claims that agree in all
/// of this are the leaves of one tree of splits, and its bound is their smallest.
struct BoxClaim {
  int image;  // of the region
  int relu;   // position among the network's ReLUs, in topological order
  int feature;
  float sign;
  Multipliers multipliers;
  std::vector<Split> splits;
};

class Images {
 public:
  /// Images [first, first + count) of `region`. `balls`: also bound ||z_k - zhat_k||_2 (needs the norms);
  /// without, radii are infinite.
  Images(const Prepared& prepared, Backend& backend, const Region& region, int first, int count, bool balls);

  int count() const { return count_; }
  int blocks() const { return blocks_; }
  const Prepared& prepared() const { return prepared_; }

  /// Nominal run of `count` blocks of images. Must precede everything else for them.
  void runNominal(Backend& backend, int block, int count = 1);
  /// Cheap boxes of some blocks: interval steps through every node, intersected with the ball's row norms
  /// (`zhat_i -+ ||row_i|| rho`) and with what the boxes already hold.
  void propagateBoxes(Backend& backend, int block, int count = 1);

  /// What an image takes of the device's memory, in bytes.
  static size_t bytesEach(const Prepared& prepared);

  /// Nodes with bounds: pre-activations of ReLUs and the output.
  bool kept(int node) const { return kept_[node]; }
  const NodeBounds& at(int node) const { return bounds_[node]; }
  const InputRegion& input() const { return input_; }

  /// Host copies, [count][features]. `setBox` intersects: it never loosens.
  std::vector<float> nominal(Backend& backend, int node) const;
  void readBox(Backend& backend, int node, std::vector<float>& lower, std::vector<float>& upper) const;
  void tightenBox(Backend& backend, int node, const std::vector<float>& lower,
                  const std::vector<float>& upper);
  /// What `tightenBoxes` relied on, when multipliers are asked for; images count from 0 here.
  std::vector<BoxClaim> claims;

  /// Ball radius of `node` for `image`, float64.
  double rho(int node, int image) const { return rho_[node][image]; }

 private:
  void loadRegion(Backend& backend, const Region& region, int first);
  void computeRadii(bool balls);

  const Prepared& prepared_;
  int count_, blocks_;
  bool l1Input_;
  std::vector<char> kept_;
  std::vector<NodeBounds> bounds_;
  std::vector<std::vector<double>> rho_;  // [node][image]
  std::vector<double> inputEps_;          // eps plus the rounding of the centre to float32
  View center_;
  InputRegion input_;
  std::vector<Rows> reach_;  // by affine, where there are balls: norms of its rows, one entry a feature
  Arena arena_;
};

}  // namespace bulwark
