// Which ReLUs of a network get multipliers per neuron, and what their eigenvalue problems need.
//
// A ReLU gets them where one matrix of moderate size leads to it, from another ReLU or from the input, so
// that what they cost is a small eigenvalue problem (proof/weights.h). The others keep one multiplier each,
// paid by the norm. For l2 balls.
#pragma once

#include <optional>
#include <vector>

#include "proof/facts.h"
#include "proof/proof_network.h"

namespace bulwark::weighted {

struct PlannedLayer {
  static constexpr int radius = -1, input = -2;

  int relu = 0, pre = 0;  // nodes
  int size = 0;
  bool weighted = false;
  int source = radius;  // what pays for its ball: a layer, the input, or the bound itself by the radius
  double factor = 0;    // of a scalar multiplier: what the source pays for it
  const Linear* matrix = nullptr;          // where weighted: what leads here from the source
  std::optional<proof::Operator> product;  // by that matrix, where the source is weighted too,
  std::optional<proof::Operator> gram;     // else by it times its transpose
};

class Plan {
 public:
  /// `facts` are any image's, of an l2 ball.
  Plan(const proof::ProofNetwork&, const proof::ImageFacts& facts);

  const proof::ProofNetwork& network() const { return network_; }
  /// The ReLUs below the output, in topological order.
  const std::vector<PlannedLayer>& layers() const { return layers_; }
  /// The affine nodes from the input to the layer whose ball it pays; empty: none.
  const std::vector<int>& path() const { return path_; }
  /// Whether any layer is weighted; if none is, there is nothing to gain.
  bool anyWeighted() const;

 private:
  const proof::ProofNetwork& network_;
  std::vector<PlannedLayer> layers_;
  std::vector<int> path_;
};

}  // namespace bulwark::weighted
