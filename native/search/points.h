// The network at a few points at once, in float64: values, and gradients of rows. It proves nothing.
#pragma once

#include <vector>

#include "proof/buffers.h"
#include "proof/kernels.h"
#include "proof/proof_network.h"

namespace bulwark {

/// kLanes points, [feature][lane]. For one thread.
class Points {
 public:
  static constexpr int kLanes = proof::kLanes;

  Points(const proof::ProofNetwork&, const proof::KernelTable&);

  /// Evaluates at x; the output's values.
  const double* run(const double* x);
  /// The gradients at these points of row^T y, of one row for each, `rows` [output][lane].
  const double* gradient(const double* rows);

 private:
  const proof::ProofNetwork& network_;
  const proof::KernelTable& kernels_;
  std::vector<std::vector<double>> values_, signal_;  // by node
  std::vector<double> passed_;
};

}  // namespace bulwark
