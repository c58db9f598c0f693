// The loops of the proof that run over many features, compiled once per instruction set. Rows lie in lanes,
// [feature][lane], of one image each; lanes do not influence one another. Facts about an image's features are
// [feature] where one image has all lanes; where every lane has its `own`, they are [feature][lane] too.
#pragma once

#include <cstdint>

namespace bulwark::proof {

/// Lanes of every call but `mixedProduct`.
constexpr int kLanes = 8;
/// Blocks of lanes that a product reads its weights for at once.
constexpr int kBlocks = 2;
/// Lanes of `mixedProduct`: the first half for A, the second for |A|.
constexpr int kMixedLanes = 16;
/// Sums run over this many features before they are added to a total.
constexpr int kChunk = 64;
/// Outputs of a tile.
constexpr int kTile = 4;

/// Input features [in, in + length), times weights[length][kTile] from `weights` tiles on.
struct Segment {
  int32_t in, length;
  int64_t weights;
};
/// Up to kTile outputs that read the same segments, shifted by `in` and `weights`.
struct Tile {
  int32_t out[kTile], outputs, in, segment, segmentCount;
  int64_t weights;
};

struct ProductPlan {
  const Tile* tiles;
  int tileCount;
  const Segment* segments;
  const double* weights;
  /// Segments cover whole cells of so many inputs; those in dead cells alone, which hold zeros, are passed
  /// over. Null: all are alive.
  int cell = 0;
  const uint8_t* alive = nullptr;
};

/// The box of one feature, lane by lane, where a split narrowed it.
struct SplitBox {
  int32_t feature;
  double lower[kLanes], upper[kLanes];
};

/// The multipliers of a ReLU's own ball, and what it pays for later ones (payments.h).
struct ReluBalls {
  bool weighted;                       // the others are [feature][lane], not [lane], and payment is there
  const double *lambda, *inverse;      // inverse is any number near 1 / lambda
  const double* payment;               // m; null: 0 in all lanes
  const double *stiff, *stiffInverse;  // at most lambda + m, and near its inverse; with payment
};

/// Rigorous minima of c relu(z) - v z + (lambda + m) / 2 (z - zhat)^2 - m / 2 (relu(z) - relu(zhat))^2 over
/// boxes; see kernels.inl.
struct ReluCall {
  int features;
  bool own;  // applies to lower, upper, zhat and reach
  const double* c;
  double* v;                  // out
  const float* const* slope;  // [lane][feature]
  ReluBalls balls;
  const double *lower, *upper, *zhat, *reach;  // reach = max(|lower|, |upper|) + |zhat|
  const SplitBox* splits;                      // by feature; none where boxes are `own`
  int splitCount;
  double *sum, *magnitude;  // [lane], added to
};

/// v = s c in place of c, and rigorous minima of c relu(z) - v z, for neurons with slopes s of their own, one
/// for c < 0 and one for c >= 0. A slope of 1 with a box [0, 0]: v = c, and the minimum is 0.
struct CrownCall {
  int features;
  double* c;                            // in, and out
  const double *lower, *upper, *reach;  // lower <= 0 <= upper; reach = max(|lower|, |upper|)
  const double *slopeBelow, *slopeAbove;
  double *sum, *magnitude;  // [lane], added to
};

/// [plane][output][lane] = weights [tile of kTile outputs][input][kTile] times [plane][input][lane].
struct PlanesCall {
  int outputs, inputs, planes;
  const double* weights;
  const double* in;
  double* out;
};

/// The sums that bounds over the input need.
struct InputCall {
  int features;
  bool own;  // applies to center, lower, upper and reach
  const double* g;
  const double *lambda, *inverse;                // [lane]
  const double *center, *lower, *upper, *reach;  // reach = max(|lower|, |upper|) + |center|
  double *boxed, *boxedMagnitude;                // minimum of g x + lambda / 2 (x - center)^2 over the box
  double *linear, *linearMagnitude;              // g center
  double *squares, *largest;                     // g^2, |g|
};

/// Splits g for coupling.h: `part` is g where the minimum of g dx + lambda / 2 dx^2 lies inside the box, else
/// what lambda pays at the end; all of g where the ball is not clipped.
struct SplitCall {
  int features;
  bool own, clipped;  // `own` applies to center, lower, upper and reach
  const double* g;
  double* part;                                  // out
  const double *lambda, *inverse;                // [lane]
  const double *center, *lower, *upper, *reach;  // as in InputCall
  double *linear, *magnitude;  // [lane], out: g center + min over the box of (g - part) dx, its magnitude
};

/// What facts.h multiplies with an operator to bound its outputs, of one image; arrays are [feature].
struct SpreadCall {
  int features;
  const double *lower, *upper, *zhat, *magnitude;
  double *nominal, *middle, *radius,
      *outer;  // out, features kMixedLanes apart; outer: max(magnitude, |middle|)
};

/// The box of an affine node's features, of one image, from the products of facts.h; arrays are [feature].
struct BoxCall {
  int features;
  /// Of a feature, kMixedLanes apart: A times nominal value and middle, |A| times radius and magnitude.
  const double *nominal, *middle, *radius, *magnitude;
  const double* bias;              // null: none
  const double *rowNorm, *rowMax;  // of the composition; rowMax: null where it does not count
  const double* ownNorm;           // of the node's own rows
  const double *fall, *rise;       // what a joined chain's deviation is between; null: nothing is known
  /// facts.h: gamma_n, gamma'_n, what a coefficient loses, underflow of each arithmetic.
  double rounding, floatRounding, losing, tiny, floatTiny;
  double rho, entry;                    // of the start: what rowNorm and rowMax are multiplied with
  double driftBefore;                   // up to the node that this one reads
  double largest;                       // a magnitude from here on makes the node unusable
  double *lower, *upper, *zhat, *loss;  // out
  double* squares;                      // out: the sum of e^2
  bool* usable;                         // out
};

/// What follows from boxes and nominal values; maxima of nothing are 0.
struct ReachCall {
  int features;
  const double *lower, *upper, *zhat;
  double *magnitude, *reach;  // out; reach: null where it is not asked for
  double *largestMagnitude, *largestReach;
  bool* usable;  // every number finite, no box empty
};

struct KernelTable {
  /// out[i] = A in[i] for i < blocks, at most kBlocks. A block's bits do not depend on the other.
  void (*product)(const ProductPlan&, int blocks, const double* const* in, double* const* out);
  /// For kMixedLanes: A in the first half of them, |A| in the second.
  void (*mixedProduct)(const ProductPlan&, const double* in, double* out);
  void (*planes)(const PlanesCall&);
  void (*spread)(const SpreadCall&);
  void (*box)(const BoxCall&);
  void (*reach)(const ReachCall&);
  void (*relu)(const ReluCall&);
  void (*crown)(const CrownCall&);
  void (*input)(const InputCall&);
  void (*split)(const SplitCall&);
  /// Lane by lane, the sum of squares.
  void (*squares)(int features, const double* x, double* sums);
  /// sum += g bias, magnitude += |g| weight; either of bias [feature] and weight (`own` or not) may be
  /// absent.
  void (*weigh)(int features, bool own, const double* g, const double* bias, const double* weight,
                double* sum, double* magnitude);
  /// into += from, magnitude += (|into| + |from|) weight, `own` or not.
  void (*accumulate)(int features, bool own, const double* from, double* into, const double* weight,
                     double* magnitude);
};

namespace portable {
extern const KernelTable table;
}
namespace avx2 {
extern const KernelTable table;
}
namespace avx512 {
extern const KernelTable table;
}

/// The best table for this machine.
const KernelTable& kernels();

}  // namespace bulwark::proof
