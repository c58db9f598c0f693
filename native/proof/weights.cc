#include "proof/weights.h"

#include <algorithm>
#include <cmath>

#include "proof/kernels.h"

namespace bulwark::proof {

double weightedSquare(const Composition& composition, const double* lambda, const float* share) {
  if (!composition.matrix) return kInfinity;
  const Linear& matrix = *composition.matrix;
  Linear weighted{.in = matrix.in, .out = matrix.out, .weight = matrix.weight, .bias = {}};
  std::vector<double> inverse(matrix.in, 1.0);
  for (int j = 0; share && j < matrix.in; ++j) inverse[j] = 1 / std::sqrt(static_cast<double>(share[j]));
  double largest = 0, squares = 0;
  for (int i = 0; i < matrix.out; ++i) {
    const double root = std::sqrt(lambda[static_cast<size_t>(i) * kLanes]);
    largest = std::max(largest, root);
    double* row = weighted.weight.data() + static_cast<size_t>(i) * matrix.in;
    for (int j = 0; j < matrix.in; ++j) {
      row[j] *= root * inverse[j];
      squares += row[j] * row[j];
    }
  }
  if (!std::isfinite(squares) || !std::isfinite(largest)) return kInfinity;
  const double entries = static_cast<double>(matrix.weight.size());
  // Every entry is off by less than 8 u of itself, and the matrix by `error` before it was weighted.
  const double rounding = 8 * kUnit * normUp(squares, entries) + entries * kTiny;
  const double before = largest * *std::max_element(inverse.begin(), inverse.end()) * composition.error;
  const double norm = up(spectralNormBound(weighted) + up(rounding) + up(before));
  return up(norm * norm);
}

}  // namespace bulwark::proof
