// What is left of a network on one box: neurons that are 0 all over it are left out, so that walks back pass
// only the others. Nothing is lost by that: whatever coefficient such a neuron has, it adds 0.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "proof/buffers.h"
#include "proof/facts.h"
#include "proof/kernels.h"
#include "proof/proof_network.h"

namespace bulwark::proof {

/// The neurons of a ReLU that are not 0, and CROWN's slopes there: 1 where the box says z >= 0; else u / (u -
/// l) for c < 0, and 0 or 1, whichever is nearer, for c >= 0.
struct LiveRelu {
  std::vector<int32_t> features;               // ascending
  std::vector<double> lower, upper, reach;     // 0 where z >= 0: nothing is lost there
  std::vector<double> slopeBelow, slopeAbove;  // for c < 0 and c >= 0
};

class Live {
 public:
  explicit Live(const ProofNetwork&);

  /// Forgets all boxes. `facts` are of a region around those that are going to be set.
  void begin(const ImageFacts& facts);

  /// Proven bounds of the pre-activations of a ReLU, on the box. Lists of later ReLUs are dropped.
  void set(int relu, std::span<const double> lower, std::span<const double> upper);
  void set(int relu, const NodeFacts& pre) { set(relu, pre.lower, pre.upper); }

  const ImageFacts& facts() const { return *facts_; }
  const ProofNetwork& network() const { return network_; }
  const LiveRelu& relu(int relu) const { return relus_[relu]; }

  /// Coefficients of a node need only be known where one ReLU, its only reader, lives: its number. Else -1.
  int listOf(int node) const { return list_[node]; }
  /// How many coefficients a list has for a node: all for -1.
  int count(int list, int node) const;
  /// Into the places of `to`, [feature][lane], from those of `from`: 0 where only `to` has one.
  void convert(int from, int to, int node, const double* in, double* out) const;

  /// Of a matrix whose two ends have lists that are set: the part between them, [tile][output][kTile], its
  /// outputs in tiles of kTile. Null where that does not pay.
  const double* weights(int node);
  /// What a node adds and loses (facts.h) in the places of a list, -1 or its own; null where that is nothing.
  const double* bias(int node, int list);
  const double* loss(int node, int list);

 private:
  struct Part {
    bool known = false;
    std::vector<double> values;
  };
  const double* gathered(Part& part, const std::vector<double>& all, int list);

  const ProofNetwork& network_;
  const ImageFacts* facts_ = nullptr;
  std::vector<int> list_;
  std::vector<LiveRelu> relus_;
  std::vector<Part> weights_, bias_, loss_;  // by node
};

/// The number of a ReLU node among all.
int reluNumber(const ProofNetwork&, int node);

}  // namespace bulwark::proof
