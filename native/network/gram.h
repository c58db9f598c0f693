// Gram matrices of affine operators, on whichever side costs less, for the spectral norm bound.
#pragma once

#include "network/network.h"
#include "network/symmetric_band.h"

namespace bulwark {

/// A symmetric matrix and how far, in spectral norm, it may be from the Gram matrix that it stands for.
struct Gram {
  SymmetricBand matrix;
  double error;
};

/// W W^T or W^T W of a row-major matrix [rows][columns].
Gram matrixGram(const double* weight, int rows, int columns, const Checkpoint& = goOn);

/// How the Gram matrix of a convolution with one group will be laid out; it depends on the shapes alone.
struct ConvGramPlan {
  bool onInput;       // A^T A rather than A A^T
  bool columnsFirst;  // pixels numbered along columns, for maps that are wider than high
  int size, bandwidth;
  double operations() const { return static_cast<double>(size) * bandwidth * bandwidth; }
  double entries() const { return static_cast<double>(size) * (bandwidth + 16.0); }
};

ConvGramPlan planConvGram(const Conv&);

/// The Gram matrix of a convolution with one group.
Gram convGram(const Conv&, const ConvGramPlan&, const Checkpoint& = goOn);

}  // namespace bulwark
