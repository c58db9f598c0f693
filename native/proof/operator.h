// One affine operator of the exact network, ready for products in lanes.
#pragma once

#include <cstdint>
#include <vector>

#include "network/network.h"
#include "proof/kernels.h"

namespace bulwark::proof {

class Operator {
 public:
  explicit Operator(const Affine&);

  /// y[i] = A x[i] for up to kBlocks blocks of rows in kLanes lanes, without the bias.
  void forward(const KernelTable&, int blocks, const double* const* x, double* const* y) const;
  /// x[i] = A^T y[i], likewise. Of convolutions, only what pixels give where y is not 0: rows of single
  /// neurons see little of the image.
  void adjoint(const KernelTable&, int blocks, const double* const* y, double* const* x) const;
  /// kMixedLanes lanes: y = A x in the first half of them, |A| x in the second.
  void forwardMixed(const KernelTable&, const double* x, double* y) const;

  /// Most products that one entry of A x sums, and of A^T y.
  int forwardTerms() const { return forwardTerms_; }
  int adjointTerms() const { return adjointTerms_; }
  /// Copies entries and computes nothing.
  bool copies() const { return !source_.empty(); }
  /// y = x but for the bias.
  bool shifts() const { return shifts_; }
  const std::vector<double>& bias() const { return bias_; }  // empty: none
  double largestConstant() const { return largestConstant_; }

 private:
  struct Plan {
    std::vector<Tile> tiles;
    std::vector<Segment> segments;
    std::vector<double> weights;  // [..][kTile]
    int cell = 0;                 // features of an input pixel of a convolution
    ProductPlan view() const;
    std::vector<uint8_t> alive(int features, int blocks, const double* const* in) const;
  };

  void pack(const Linear&);
  void pack(const Conv&);
  void pack(const Scale&);
  void pack(const Index&);

  int in_, out_, forwardTerms_ = 1, adjointTerms_ = 1;
  double largestConstant_ = 0;
  bool shifts_ = false;
  std::vector<double> bias_, diagonal_;
  std::vector<int32_t> source_;
  Plan forward_, adjoint_;
};

}  // namespace bulwark::proof
