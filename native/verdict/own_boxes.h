// CROWN's boxes, proven as they are computed: what the engine is supplied with and proofs build on. So nobody
// makes, keeps and evaluates again the multipliers of thousands of neurons.
#pragma once

#include <span>

#include "verdict/proven.h"

namespace bulwark {

/// Images whose facts are held at once.
constexpr size_t kFactsAtOnce = 32;

/// Some images of a region, in the proof network's order of inputs.
Region selected(const Region& region, std::span<const int> images, const std::vector<int32_t>& order);

/// Whether the boxes of a task are the proof's own: those of CROWN on few boxes of inputs, where there are no
/// balls and nobody asks for what proves them.
bool makesOwnBoxes(const ProvenBounds& task);

class OwnBoxes {
 public:
  /// Of all images of the region.
  OwnBoxes(const ProvenBounds& task, const ProofModel& model, const StopCheck& stop);

  const proof::Prover& prover() const { return prover_; }
  /// A BoxSupply.
  void supply(Images& images, int first) const;

 private:
  const proof::ProofNetwork& network_;
  Workers& workers_;
  proof::Prover prover_;
};

}  // namespace bulwark
