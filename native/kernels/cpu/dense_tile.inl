// The register tile of row-major matrix products: a's entries are broadcast from where they lie and b's rows
// are loaded as vectors, so neither has to be packed; c is written where it belongs, with what follows a
// product (bias, ReLU) done while its sums are still in registers.

/// The arrays come from JavaScript at any alignment.
typedef float loose __attribute__((vector_size(BULWARK_WIDTH * 4), aligned(4)));
BULWARK_INLINE vec loadLoose(const float* p) { return *reinterpret_cast<const loose*>(p); }
BULWARK_INLINE void storeLoose(float* p, vec x) { *reinterpret_cast<loose*>(p) = x; }

/// `turned`: a's entries of one depth lie side by side, else those of one row do.
template <int rows, int positions, bool turned>
static void denseTile(const DenseTile& tile) {
  constexpr int kVectors = positions * kParts;
  vec sum[rows][kVectors] = {};
  const float* a[rows];
  for (int row = 0; row < rows; ++row) a[row] = tile.a + static_cast<size_t>(row) * (turned ? 1 : tile.aStep);
  const float* b = tile.b;
  const size_t depth = static_cast<size_t>(tile.depth), step = turned ? tile.aStep : 1;
  for (size_t k = 0; k < depth; ++k, b += tile.bStep) {
    vec x[kVectors];
#pragma GCC unroll 16
    for (int i = 0; i < kVectors; ++i) x[i] = loadLoose(b + i * kWidth);
#pragma GCC unroll 16
    for (int row = 0; row < rows; ++row) {
      const vec weight = spread(a[turned ? 0 : row][k * step + (turned ? static_cast<size_t>(row) : 0)]);
#pragma GCC unroll 16
      for (int i = 0; i < kVectors; ++i) sum[row][i] += weight * x[i];
    }
  }
  if (tile.columns < positions * kLanes) {
    // The last columns: through memory, so that nothing beyond them is touched.
#pragma GCC unroll 16
    for (int row = 0; row < rows; ++row) {
      alignas(64) float whole[positions * kLanes];
#pragma GCC unroll 16
      for (int i = 0; i < kVectors; ++i) store(whole + i * kWidth, sum[row][i]);
      float* c = tile.c + static_cast<size_t>(row) * tile.cStep;
      for (int i = 0; i < tile.columns; ++i) {
        float y = tile.accumulate ? c[i] + whole[i] : whole[i];
        if (tile.bias) y += tile.bias[i];
        c[i] = tile.relu && y < 0 ? 0 : y;
      }
    }
    return;
  }
#pragma GCC unroll 16
  for (int row = 0; row < rows; ++row) {
    float* c = tile.c + static_cast<size_t>(row) * tile.cStep;
#pragma GCC unroll 16
    for (int i = 0; i < kVectors; ++i) {
      vec y = sum[row][i];
      if (tile.accumulate) y = loadLoose(c + i * kWidth) + y;
      if (tile.bias) y += loadLoose(tile.bias + i * kWidth);
      storeLoose(c + i * kWidth, tile.relu ? atLeast(y, vec{}) : y);
    }
  }
}
