// CROWN on parts of a box: what is known of the whole holds on every part, neurons whose sign a larger part
// told keep it, and only the others are bounded again.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "proof/crown_walk.h"

namespace bulwark::proof {

/// What is known of a neuron's pre-activation: nothing, z >= 0 or z <= 0.
enum class Sign : uint8_t { open, positive, negative };

/// For one thread.
class SubBox {
 public:
  SubBox(const ProofNetwork&, const KernelTable&);

  /// Bounds claims as CrownWalk::affineRows on the part [lower, upper] of the box that `facts` are of, whose
  /// boxes should be CROWN's (Prover::tightenByCrown): on the whole of it they are taken as they are.
  /// `signs` of the neurons of all ReLUs, in topological order: what is known on the part, and then what was
  /// found.
  void bound(const ImageFacts& facts, std::span<const double> lower, std::span<const double> upper,
             std::span<Sign> signs, std::span<const Claim> claims, double* bounds, double* slopes,
             double* offsets);

 private:
  void tighten(const NodeFacts& known, int relu, std::span<Sign> signs, bool walks);

  const ProofNetwork& network_;
  Buffers buffers_;
  Live live_;
  CrownWalk walk_;
  InputSet part_;
  std::vector<int32_t> open_;
  std::vector<double> lower_, upper_, ends_;
};

}  // namespace bulwark::proof
