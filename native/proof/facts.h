// What is known of every node's values while the input runs through one region, derived step by step from the
// region alone. Everything holds for the network over the reals and, for Arithmetic::float32, for every
// float32 run that claim.h describes.
//
// Write y = A x + b + r for an affine node. Over the reals r = 0; in float32, |r_j| <= gamma'_n m_j + w,
// where m = |A| X + |b|, X_i bounds |x_i|, gamma' has round-off 2^-24, n counts the roundings a term can pass
// (those of its constant, its product and every sum) and w collects underflow. So one derivation serves both.
//
// Nominal run: zhat = fl(A xhat + b), which differs from A xhat + b by gamma_n m at most, as X also bounds
// xhat. Balls: rho bounds || x - xhat ||_2. With e = (gamma_n + gamma'_n) m + w, || y - yhat || <= ||A|| rho
// + ||e||; over a chain of affine nodes that composes to C, || C || rho(start) + `drift`, where drift adds up
// the e of its nodes, each times the norms that come after it. ReLU is 1-Lipschitz and exact. Boxes: interval
// steps, A mid +- (|A| radius + e), intersected with yhat_i +- (||C_i|| rho(start) + drift_i), and for a
// chain of several matrices with one step of the product: the run deviates from yhat by C d up to drift_i, d
// = x - xhat at the start in [lower - xhat, upper - xhat], and the computed C' from C by ||C - C'||_F ||d||_2
// at most.
#pragma once

#include <span>
#include <vector>

#include "bounds/problem.h"
#include "proof/buffers.h"
#include "proof/claim.h"
#include "proof/proof_network.h"

namespace bulwark::proof {

/// A Region's image, its box finite in any case.
struct InputSet {
  InputKind kind = InputKind::box;
  bool clipped = false;
  double eps = 0;
  std::vector<double> center, lower, upper, reach;  // reach = max(|lower|, |upper|) + |center|
};

struct NodeFacts {
  std::vector<double> lower, upper, zhat;
  std::vector<double> reach;      // of a pre-activation: max(|lower|, |upper|) + |zhat|, rounded up
  std::vector<double> magnitude;  // X: max(|lower|, |upper|, |zhat|)
  double largestReach = 0, largestMagnitude = 0;
  /// Of an affine node: what each unit of |g_j| can lose when g^T y is rewritten as (A^T g)^T x + g^T b, by r
  /// and by rounding; of the input and of adds: by r. Empty: nothing.
  std::vector<double> loss;
  double rho = 0;    // infinity where no ball is needed
  double step = 0;   // ||e||_2 of this node alone
  double drift = 0;  // of an affine node: what the ball adds to || C || rho(start)
};

class ImageFacts {
 public:
  /// Of image `image` of the region; `propagate` derives the rest.
  ImageFacts(const ProofNetwork&, const Region&, int image, Arithmetic, const KernelTable&);

  /// False where a number overflowed or the region is empty: nothing may be claimed.
  bool valid() const { return valid_; }
  const InputSet& input() const { return input_; }
  const NodeFacts& at(int node) const { return nodes_[node]; }
  /// What underflow can take from any claim's bound.
  double underflow() const { return underflow_; }

  /// Adds proven bounds on a pre-activation's feature; `propagate` makes the rest follow.
  void tighten(int node, int feature, double lower, double upper);

  /// How many images share products, which then read each weight once.
  static constexpr int kTogether = kMixedLanes / 4;
  /// Derives node `first` and everything after it again, for up to kTogether images of one prover. Company
  /// does not change a bit.
  static void propagate(std::span<ImageFacts* const> images, int first, Buffers&);
  /// Only nodes from `first` to `last`: what is known of those behind stays true.
  static void propagate(std::span<ImageFacts* const> images, int first, int last, Buffers&);

 private:
  void setRegion(const Region&, int image);
  void derive(int id);
  void deriveInput();
  static void deriveAffine(std::span<ImageFacts* const> images, int id, Buffers&);
  void deriveAdd(int id);
  /// An image's four numbers of a feature lie in two lanes of each half: nominal, middle; radius, magnitude.
  void writeBox(int from, double* x) const;
  /// The same of what lies between the nominal run and the box.
  void writeDeviations(int start, double* x) const;
  /// `y` is the product of what writeBox wrote; `joined` of what writeDeviations wrote, for a joined chain.
  void readAffine(int id, const double* y, const double* joined);
  /// For each output of a joined chain: what its deviation from yhat is between, but for the chain's drift.
  void readDeviations(const Composition&, const double* y, std::vector<double>& lower,
                      std::vector<double>& upper) const;
  /// Distance between nominal run and exact image of nominal start, at `id` in a chain of affine nodes.
  double driftBetween(int start, int id) const;
  void finish(int id);
  void weighUnderflow();

  const ProofNetwork& network_;
  const Arithmetic arithmetic_;
  const KernelTable& kernels_;
  InputSet input_;
  std::vector<NodeFacts> nodes_;
  struct Proven {
    std::vector<double> lower, upper;
  };
  std::vector<Proven> proven_;  // by node; empty where nothing was proven
  std::vector<char> isPre_;
  double underflow_ = 0;
  bool valid_ = true;
};

/// The factor of the sum of magnitudes in kernels.inl that covers rounding of a whole evaluation.
double sumSlack(const ProofNetwork&);

}  // namespace bulwark::proof
