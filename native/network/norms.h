// Per-row figures of an affine operator, exact at the borders of convolutions.
#pragma once

#include <vector>

#include "network/network.h"

namespace bulwark {

/// The l2 norm of every row of A, rounded up, in stored order: |(A dx)_i| <= rowNorms[i] ||dx||_2.
std::vector<double> rowNorms(const Affine&);
/// The largest absolute entry of every row of A, in stored order: |(A dx)_i| <= rowMaxima[i] ||dx||_1.
std::vector<double> rowMaxima(const Affine&);

}  // namespace bulwark
