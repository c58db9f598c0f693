// Symmetric matrices with zeros far from the diagonal (a full matrix is a band that reaches all the way),
// and the two things the eigenvalue bound does with them: products and Cholesky factorisation.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

namespace bulwark {

/// Called now and then in the course of a long computation, which it ends by throwing.
using Checkpoint = std::function<void()>;
inline void goOn() {}

/// Stored in 8 x 8 blocks on and below the diagonal: block row after block row, from the leftmost block
/// within reach to the diagonal one, each block column by column. A block row is thus one run of columns
/// of 8 numbers, which is what the factorisation's inner loop reads. Rows beyond `size` are zero.
class SymmetricBand {
 public:
  static constexpr int block = 8;

  /// Room for entries with |row - column| <= bandwidth, all zero.
  SymmetricBand(int size, int bandwidth);

  /// W W^T of a row-major matrix [rows][columns]; every entry is a plain sum of `columns` products.
  static SymmetricBand gram(const double* weight, int rows, int columns, const Checkpoint& = goOn);

  int size() const { return size_; }
  /// The size rounded up to whole blocks.
  int paddedSize() const { return blocks_ * block; }
  /// Entry (row, column) with row >= column, within the band.
  double& at(int row, int column) { return data_[offset(row, column)]; }
  double at(int row, int column) const { return data_[offset(row, column)]; }

  /// y = this x; both have paddedSize() entries.
  void multiply(const double* x, double* y) const;
  /// The largest sum of absolute values of a row, not rounded up.
  double largestRowSum() const;
  double trace() const;

  /// Replaces this by the Cholesky factor of shift I - this. False, with the content lost, where a
  /// pivot is not positive.
  bool factorShifted(double shift, const Checkpoint& = goOn);

 private:
  size_t blockOffset(int blockRow, int blockColumn) const {
    const auto blocksPerRow = static_cast<size_t>(reach_) + 1;
    return (blockRow * blocksPerRow + (blockColumn - blockRow + reach_)) * (block * block);
  }
  size_t offset(int row, int column) const {
    return blockOffset(row / block, column / block) + column % block * block + row % block;
  }
  int firstBlock(int blockRow) const { return blockRow > reach_ ? blockRow - reach_ : 0; }

  int size_, blocks_, reach_;
  std::vector<double> data_;
};

}  // namespace bulwark
