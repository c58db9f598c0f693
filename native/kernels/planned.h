// A network's affine operators with their weights packed for one device; made once, shared by all threads.
#pragma once

#include <memory>
#include <vector>

#include "kernels/backend.h"
#include "network/network.h"

namespace bulwark {

class Plans {
 public:
  Plans(const Network& network, Backend& backend) {
    plans_.reserve(network.affines.size());
    for (const Affine& affine : network.affines) plans_.push_back(backend.plan(affine));
  }

  /// The plan of Network::affines[affine].
  const AffinePlan& operator[](int affine) const { return *plans_[affine]; }

 private:
  std::vector<std::unique_ptr<AffinePlan>> plans_;
};

}  // namespace bulwark
