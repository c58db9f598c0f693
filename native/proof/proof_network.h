// The network that a proof is about: every weight the exact stored double, nothing folded. And what a proof
// needs to know of it, each an upper bound whatever was rounded on the way.
//
// Balls. The pre-activations of two inputs are as far apart as the inputs times the norm of the linear map in
// between. For a chain of affine nodes (a convolution and its batch normalisation, say) the product of their
// norms is loose, so the chain is composed in float64 as far as one operator can express it; the exact
// composition A differs from the computed one C by D with ||D||_2 <= ||D||_F <= `error`, hence ||A||_2 <=
// ||C||_2 + error, and likewise for every row. For C = fl(C2 C1) of operators C1, C2 that stand for A1, A2
// with errors e1, e2 (0 for stored ones):
//     A2 A1 - C = (A2 - C2) A1 + C2 (A1 - C1) + (C2 C1 - C),
//     ||.||_F  <= e2 (||C1||_F + e1) + ||C2||_F e1 + gamma_n ||C2||_F ||C1||_F,
// because |C2 C1 - C| <= gamma_n |C2| |C1| entry by entry for sums of n products, and Frobenius norms are
// submultiplicative and see absolute values only.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "network/graph.h"
#include "network/network.h"
#include "network/spectral.h"
#include "proof/operator.h"
#include "proof/rounding.h"

namespace bulwark::proof {

/// Weights per neuron are for matrices of at most so many rows and entries: their eigenvalues must be bounded
/// for every row that is proven.
constexpr int kMostWeighted = 256, kMostWeightedEntries = 1 << 19;

/// At least the spectral norm of an operator.
using NormBound = std::function<double(const Affine&)>;

/// The composition C of the chain that ends in an affine node, read from the node `start` on.
struct Composition {
  int start = 0;
  std::vector<double> rowNorm, rowMax;  // of the exact composition: its rows' l2 norms, largest entries
  double norm = kInfinity;              // spectral; infinity where no ball builds on it
  /// C as computed, within `error` of the exact one in Frobenius norm; only where the chain has more than one
  /// matrix or convolution, for else interval steps node by node are as tight as one step of the product.
  std::optional<Operator> joined;
  double error = 0;
  /// The same of a chain that is one matrix small enough for weights per neuron (weights.h); `error` is its
  /// too.
  std::optional<Linear> matrix;
};

class ProofNetwork {
 public:
  /// `norm` may look up what it has proven before. Throws std::invalid_argument as `lower` does, and for maps
  /// of more than 2^20 features.
  explicit ProofNetwork(
      const std::vector<graph::Node>& graph,
      const NormBound& norm = [](const Affine& a) { return spectralNormBound(a); });

  const Network& network() const { return network_; }
  int nodeCount() const { return static_cast<int>(network_.nodes.size()); }
  int size(int node) const { return network_.nodes[node].shape.size(); }
  /// The ReLU nodes in topological order.
  const std::vector<int>& relus() const { return relus_; }
  /// The node that a claim's target means.
  int targetNode(int target) const;
  /// The ReLUs (indices into `relus()`) that a claim's multipliers are for, in topological order.
  const std::vector<int>& relusBelow(int target) const { return relusBelow_[target + 1]; }

  const Operator& operatorOf(int node) const { return operators_[network_.nodes[node].affine]; }
  const Composition& composition(int node) const { return compositions_[network_.nodes[node].affine]; }
  /// At least the Frobenius norm of an affine node's own operator.
  double frobenius(int node) const { return frobenius_[network_.nodes[node].affine]; }
  /// At least the l2 norms of its rows.
  const std::vector<double>& rowNorm(int node) const { return rowNorm_[network_.nodes[node].affine]; }
  /// At least the number of additions in a row of a sum over the features of all nodes, by chunks.
  double summationDepth() const { return summationDepth_; }

 private:
  void compose(const NormBound& norm);

  Network network_;
  std::vector<int> relus_;
  std::vector<std::vector<int>> relusBelow_;  // by target + 1
  std::vector<Operator> operators_;
  std::vector<Composition> compositions_;
  std::vector<std::vector<double>> rowNorm_;
  std::vector<double> frobenius_;
  double summationDepth_ = 0;
};

}  // namespace bulwark::proof
