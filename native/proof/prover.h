// Rigorous lower bounds: the one dual, evaluated so that no rounding of this computation can make a claim
// wrong. Its multipliers come from anywhere; nothing of the optimiser's is believed, boxes and balls
// included.
//
// Walking backwards from the target, every node has a coefficient vector g of exact float64 numbers, whatever
// rounding made them, and the walk keeps
//     row^T y + constant >= D + sum over the nodes not yet passed of g^T x
// for all runs of the network over the region:
//     affine  g^T (A x + b + r) = gIn^T x + g^T b + [(A^T g - gIn)^T x + g^T r], where gIn = fl(A^T g) and
//     the
//             bracket is at least - sum_j |g_j| (gamma_n m_j + |r_j|), m = |A| X + |b| (facts.h): since
//             |A^T g - gIn| <= gamma_n |A|^T |g|, and |g|^T |A| X is what that can meet;
//     relu    c^T relu(z) >= v^T z + sum_i phi_i - lambda / 2 rho^2, v = fl(slope c), for the box of z and
//             its ball: phi_i = min over the box of c relu(z) - v z + lambda / 2 (z - zhat)^2 (kernels.inl);
//             where the ball follows from the neurons of an earlier ReLU (chain.h), that one pays in its own
//             phi, and the multiplier given counts on top of what a layer pays itself;
//     add     exact but for r; where several readers meet in a node, the sums of their coefficients are
//             rounded: u |sum| X for each;
//     input   the minimum of g^T x over the region.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "kernels/thread_pool.h"
#include "proof/crown_walk.h"
#include "proof/facts.h"

namespace bulwark::proof {

class Prover {
 public:
  /// Once `stop` returns true nothing more is proven: bounds of claims not yet evaluated stay -infinity.
  using StopCheck = std::function<bool()>;

  /// Derives boxes and balls of every image of the region. Everything referred to must outlive the prover.
  /// Throws std::invalid_argument where the region does not fit the network.
  Prover(const ProofNetwork&, const Region&, Arithmetic, ThreadPool&, StopCheck stop = [] { return false; });

  int images() const { return static_cast<int>(images_.size()); }
  bool derived(int index) const { return images_[index] && images_[index]->valid(); }
  /// Not of an image that `stop` left underived.
  const ImageFacts& image(int index) const { return *images_[index]; }

  /// Hands over what is known of an image, about which nothing can be asked any more.
  std::unique_ptr<ImageFacts> take(int index) { return std::move(images_[index]); }

  /// A proven lower bound for every claim: row^T y + constant >= bound in the arithmetic asked for. -infinity
  /// where nothing can be said (a number that is not finite, a negative lambda); infinity where a claim's
  /// splits leave no point. Throws std::invalid_argument for a claim of the wrong form. The same bits for any
  /// number of threads and any company of other claims.
  std::vector<double> lowerBounds(std::span<const Claim> claims) const;

  /// A proven lower bound on row^T y + constant at the output from its nominal value and ball alone, that is
  /// from the product of the layers' norms.
  double ballBound(int image, std::span<const double> row, double constant) const;

  /// Proves unit claims on pre-activations, in topological order of their ReLUs, and narrows the boxes with
  /// what was proven; boxes behind follow. Claims on the same side of the same neuron are the leaves of one
  /// tree of splits, whose smallest bound counts: throws std::invalid_argument where they do not cover the
  /// region. Their bounds in the order given.
  std::vector<double> tighten(std::span<const Claim> claims);

  /// Narrows the boxes of all images, layer by layer, by walks with CROWN's slopes (crown.cc).
  void tightenByCrown();

  /// `lowerBounds` of claims without multipliers, image after image, by CROWN's slopes; with `affine`, a row
  /// for each, their affine bounds too: offset -infinity where nothing can be said.
  std::vector<double> crownBounds(std::span<const Claim> claims,
                                  std::span<const AffineRow> affine = {}) const;

 private:
  void check(const Claim&) const;
  void checkMultipliers(const Claim&) const;
  /// Calls body for parts of 0 .. count - 1, of at most kTogether each, until stopped.
  void inGroups(size_t count, const std::function<void(size_t begin, size_t end, Buffers&)>& body) const;

  const ProofNetwork& network_;
  ThreadPool& pool_;
  const KernelTable& kernels_;
  const StopCheck stop_;
  std::vector<std::unique_ptr<ImageFacts>> images_;  // null: stopped before
};

}  // namespace bulwark::proof
