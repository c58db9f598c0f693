// A network made ready for bounds on one device: packed weights, and the norms that balls need, computed
// once on first use and shared by all threads.
#pragma once

#include <mutex>
#include <vector>

#include "bounds/options.h"
#include "kernels/planned.h"
#include "network/network.h"
#include "network/spectral.h"

namespace bulwark {

/// Upper bounds per affine operator (index as in Network::affines), rounded up to float32 where float.
struct Norms {
  std::vector<double> spectral;             // ||A||_2
  std::vector<std::vector<float>> rowNorm;  // ||A_i||_2 per output feature
  std::vector<std::vector<float>> rowMax;   // max_j |A_ij|
};

class Prepared {
 public:
  Prepared(const Network& lowered, Backend& backend) : network(lowered), plans(lowered, backend) {}

  const Network& network;
  const Plans plans;

  /// Computes the norms unless they are there; false if `stop` fired first (what is done is kept).
  bool computeNorms(const StopCheck& stop, const ParallelFor& parallel = serialFor) const;
  /// After `computeNorms`.
  const Norms& norms() const { return norms_; }

 private:
  mutable std::mutex mutex_;
  mutable Norms norms_;
  mutable std::vector<char> known_;  // by affine
};

}  // namespace bulwark
