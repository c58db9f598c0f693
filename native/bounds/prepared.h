// A network made ready for bounds on one device: packed weights, and the norms that balls need, computed
// once on first use and shared by all threads.
#pragma once

#include <memory>
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
  /// `twin`: the same network on another device, which shares its norms.
  Prepared(const Network& lowered, Backend& backend, const Prepared* twin = nullptr)
      : network(lowered),
        plans(lowered, backend),
        known_(twin ? twin->known_ : std::make_shared<KnownNorms>()) {}

  const Network& network;
  const Plans plans;

  /// Computes the norms unless they are there; false if `stop` fired first (what is done is kept).
  bool computeNorms(const StopCheck& stop, const ParallelFor& parallel = serialFor) const;
  /// After `computeNorms`.
  const Norms& norms() const { return known_->norms; }

 private:
  struct KnownNorms {
    std::mutex mutex;
    Norms norms;
    std::vector<char> there;  // by affine
  };
  const std::shared_ptr<KnownNorms> known_;
};

}  // namespace bulwark
