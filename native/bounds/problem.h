// What is asked: regions of inputs and rows of output, for a batch of images. Host side, float64, features
// in stored order.
#pragma once

#include <vector>

#include "kernels/backend.h"

namespace bulwark {

/// `count` regions of one kind: ||x - center||_p <= eps, intersected with [lower, upper] where given;
/// for a box, [lower, upper] alone around any centre inside it. A box may stand for an l-infinity ball: its
/// ends are then rounded outward, and `eps` says where the ball itself ends, for points that must be in it.
struct Region {
  InputKind kind = InputKind::box;
  int count = 0;
  std::vector<double> center;        // [count][inputSize]
  std::vector<double> eps;           // [count]; empty for a box that is no ball
  std::vector<double> lower, upper;  // [count][inputSize] or empty
  bool clipped() const { return kind != InputKind::box && !lower.empty(); }
};

/// `rowCount` rows C y + d per image.
struct Specification {
  int rowCount = 0;
  std::vector<double> c;  // [count][rowCount][outputSize], or one image's worth when shared
  std::vector<double> d;  // [count][rowCount], likewise
  bool shared = false;

  const double* row(int image, int index, int outputSize) const {
    return c.data() + (static_cast<size_t>(shared ? 0 : image) * rowCount + index) * outputSize;
  }
  double constant(int image, int index) const {
    return d[static_cast<size_t>(shared ? 0 : image) * rowCount + index];
  }
};

}  // namespace bulwark
