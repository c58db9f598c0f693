#include "network/symmetric_band.h"

#include <algorithm>
#include <cmath>

#if defined(__GNUC__) && defined(__x86_64__)
#define BULWARK_X86_VARIANTS
#endif

namespace bulwark {
namespace {

constexpr int block = SymmetricBand::block;

/// target[j][i] -= sum over k of b[k][j] a[k][i], four columns j at a time so that sums stay in registers.
#ifdef BULWARK_X86_VARIANTS
__attribute__((always_inline))
#endif
inline void subtractProductsPlain(const double* a, const double* b, int count, double* target) {
  constexpr int columns = 4;
  for (int first = 0; first < block; first += columns) {
    double sum[columns][block] = {};
    for (int k = 0; k < count; ++k) {
      for (int j = 0; j < columns; ++j) {
        for (int i = 0; i < block; ++i) sum[j][i] += b[k * block + first + j] * a[k * block + i];
      }
    }
    for (int j = 0; j < columns; ++j) {
      for (int i = 0; i < block; ++i) target[(first + j) * block + i] -= sum[j][i];
    }
  }
}

using SubtractProducts = void (*)(const double*, const double*, int, double*);

void subtractProductsPortable(const double* a, const double* b, int count, double* target) {
  subtractProductsPlain(a, b, count, target);
}

#ifdef BULWARK_X86_VARIANTS
__attribute__((target("avx2,fma"))) void subtractProductsAvx2(const double* a, const double* b, int count,
                                                              double* target) {
  subtractProductsPlain(a, b, count, target);
}
#endif

SubtractProducts chooseSubtractProducts() {
#ifdef BULWARK_X86_VARIANTS
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return subtractProductsAvx2;
#endif
  return subtractProductsPortable;
}

const SubtractProducts subtractProducts = chooseSubtractProducts();

/// x <- x L^-T for one block, L lower triangular; both column by column.
void solve(const double* factor, double* x) {
  for (int j = 0; j < block; ++j) {
    for (int k = 0; k < j; ++k) {
      const double entry = factor[k * block + j];
      for (int i = 0; i < block; ++i) x[j * block + i] -= entry * x[k * block + i];
    }
    const double pivot = factor[j * block + j];
    for (int i = 0; i < block; ++i) x[j * block + i] /= pivot;
  }
}

/// The Cholesky factor of one block's lower triangle, in place.
bool factorBlock(double* x) {
  for (int j = 0; j < block; ++j) {
    for (int k = 0; k < j; ++k) {
      const double entry = x[k * block + j];
      for (int i = j; i < block; ++i) x[j * block + i] -= entry * x[k * block + i];
    }
    if (!(x[j * block + j] > 0)) return false;
    const double pivot = std::sqrt(x[j * block + j]);
    for (int i = j; i < block; ++i) x[j * block + i] /= pivot;
  }
  return true;
}

}  // namespace

SymmetricBand::SymmetricBand(int size, int bandwidth)
    : size_(size),
      blocks_((size + block - 1) / block),
      reach_(std::min(blocks_ - 1, (bandwidth + block - 1) / block)),
      data_(static_cast<size_t>(blocks_) * (reach_ + 1) * block * block) {}

SymmetricBand SymmetricBand::gram(const double* weight, int rows, int columns, const Checkpoint& checkpoint) {
  SymmetricBand result(rows, rows - 1);
  const size_t panel = static_cast<size_t>(columns) * block;  // 8 rows, column by column
  std::vector<double> panels(result.blocks_ * panel);
  for (int row = 0; row < rows; ++row) {
    double* to = panels.data() + row / block * panel + row % block;
    for (int k = 0; k < columns; ++k)
      to[static_cast<size_t>(k) * block] = weight[static_cast<size_t>(row) * columns + k];
  }
  for (int row = 0; row < result.blocks_; ++row) {
    checkpoint();
    for (int column = 0; column <= row; ++column) {
      double* target = result.data_.data() + result.blockOffset(row, column);
      subtractProducts(panels.data() + row * panel, panels.data() + column * panel, columns, target);
    }
  }
  for (double& entry : result.data_) entry = -entry;
  return result;
}

void SymmetricBand::multiply(const double* x, double* y) const {
  std::fill_n(y, paddedSize(), 0.0);
  for (int row = 0; row < blocks_; ++row) {
    const double* entry = data_.data() + blockOffset(row, firstBlock(row));
    const double* xRow = x + row * block;
    double* yRow = y + row * block;
    for (int column = firstBlock(row) * block; column < row * block; ++column, entry += block) {
      double sum = 0;
      for (int i = 0; i < block; ++i) {
        yRow[i] += entry[i] * x[column];
        sum += entry[i] * xRow[i];
      }
      y[column] += sum;
    }
    for (int j = 0; j < block; ++j) {
      yRow[j] += entry[j * block + j] * xRow[j];
      for (int i = j + 1; i < block; ++i) {
        yRow[i] += entry[j * block + i] * xRow[j];
        yRow[j] += entry[j * block + i] * xRow[i];
      }
    }
  }
}

double SymmetricBand::largestRowSum() const {
  std::vector<double> sums(paddedSize());
  for (int row = 0; row < size_; ++row) {
    for (int column = firstBlock(row / block) * block; column <= row; ++column) {
      const double entry = std::fabs(at(row, column));
      sums[row] += entry;
      if (column < row) sums[column] += entry;
    }
  }
  return *std::max_element(sums.begin(), sums.end());
}

double SymmetricBand::trace() const {
  double sum = 0;
  for (int i = 0; i < size_; ++i) sum += at(i, i);
  return sum;
}

bool SymmetricBand::factorShifted(double shift, const Checkpoint& checkpoint) {
  for (double& entry : data_) entry = -entry;
  for (int i = 0; i < paddedSize(); ++i) at(i, i) += shift;
  for (int row = 0; row < blocks_; ++row) {
    checkpoint();
    const int first = firstBlock(row);
    const double* left = data_.data() + blockOffset(row, first);
    for (int column = first; column <= row; ++column) {
      double* target = data_.data() + blockOffset(row, column);
      subtractProducts(left, data_.data() + blockOffset(column, first), (column - first) * block, target);
      if (column == row) {
        if (!factorBlock(target)) return false;
      } else {
        solve(data_.data() + blockOffset(column, column), target);
      }
    }
  }
  return true;
}

}  // namespace bulwark
