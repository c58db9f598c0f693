// A network made ready for bounds on one device: packed weights, and the norms that balls need, computed
// once on first use and shared by all threads.
#pragma once

#include <mutex>
#include <vector>

#include "kernels/planned.h"
#include "network/network.h"

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

  const Norms& norms() const;

 private:
  mutable std::once_flag once_;
  mutable Norms norms_;
};

}  // namespace bulwark
