// One walk back with CROWN's slopes from several rows of one box; the evaluation that prover.h describes,
// with lambda = 0 and over what lives on the box (live.h) alone.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "proof/claim.h"
#include "proof/input_term.h"
#include "proof/live.h"

namespace bulwark::proof {

/// What a walk knows of a row beside its bound.
struct AffineRow {
  float* slope;    // where to put it, [input features]
  double* offset;  // row >= slope^T x + offset on the region
};

/// For one thread.
class CrownWalk {
 public:
  CrownWalk(const ProofNetwork&, const KernelTable&, Buffers&);

  /// The boxes to walk over, of all ReLUs before any target asked for, and what `live.facts()` are of or a
  /// part of it. Both must outlive their use.
  void begin(Live& live, const InputSet& input);

  /// Proven ends of some pre-activations of a ReLU, in the order of `features`: -infinity and infinity where
  /// nothing can be said.
  void neurons(int relu, std::span<const int32_t> features, double* lower, double* upper);

  /// Rows that it pays to walk with together, and most of those that `rows` takes.
  size_t together() const { return together_; }

  /// Proven lower bounds of claims on one target without multipliers, slopes or splits, and, where asked for,
  /// their affine bounds: with slopes in float32, or, [claim][input feature], as they came out.
  void rows(std::span<const Claim> claims, double* bounds, std::span<const AffineRow> affine = {});
  void affineRows(std::span<const Claim> claims, double* bounds, double* slopes, double* offsets);

 private:
  /// Coefficients of a node in the places of a list, plane by plane of kLanes rows.
  struct Signal {
    Buffers::Buffer data;
    int list = -1;
  };

  void start(size_t lanes);
  Buffers::Buffer take(int list, int node);
  size_t planeOf(int list, int node) const;
  double* wholeAt(int node);
  void startRows(std::span<const Claim> claims);
  void someNeurons(int relu, std::span<const int32_t> features, double* lower, double* upper);
  void startNeurons(int relu, std::span<const int32_t> features);
  void walk(int from);
  void passAffine(int id, int from);
  void passRelu(int id, int pre);
  void lose(int id);
  void hand(Signal signal, int node);
  void minimum();
  double boundOf(size_t lane, double constant, double minimum) const;

  const ProofNetwork& network_;
  const KernelTable& kernels_;
  Buffers& buffers_;
  const double slack_;
  size_t together_;
  Live* live_ = nullptr;
  const InputSet* input_ = nullptr;
  std::vector<Signal> signal_;
  int planes_ = 0;
  std::vector<double> sum_, magnitude_, lost_, minimum_;  // [lane]
};

}  // namespace bulwark::proof
