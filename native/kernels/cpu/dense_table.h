// The loops of row-major arithmetic, as a table that each instruction set fills.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/dense.h"

namespace bulwark {

/// c[i][j] (+)= sum over k < depth of a[i][k] * b[k][j] for the rows i and columns j of one register tile,
/// then bias[j] added and negative entries cut, where asked to.
struct DenseTile {
  const float* a;
  size_t aStep;  // between rows of a, or between depths where a is turned
  const float* b;
  size_t bStep;  // between depths
  float* c;
  size_t cStep;  // between rows
  int depth;
  int columns;  // at most the tile's; b is readable for all of the tile's
  bool accumulate, relu;
  const float* bias;  // null: none
};
using DenseTileKernel = void (*)(const DenseTile&);

inline constexpr int kMaxOutputs = 8;    // rows of a register tile, largest over instruction sets
inline constexpr int kMaxPositions = 8;  // blocks of lanes of a register tile

struct DenseTable {
  void (*unary)(Unary kind, const float* x, float* y, size_t count);
  /// y[i] = a[i * stepA] o b[i * stepB], steps 0 or 1.
  void (*binary)(Binary kind, const float* a, size_t stepA, const float* b, size_t stepB, float* y,
                 size_t count);
  void (*scale)(const float* x, float* y, size_t count, float factor, float shift);
  void (*combine)(const float* x, float* y, size_t count, float factor, float keep);
  /// Adds x to y[0], or entry by entry.
  void (*addSum)(const float* x, float* y, size_t count);
  void (*addTo)(const float* x, float* y, size_t count);
  void (*adam)(const AdamStep& step, const float* gradient, float* weight, float* first, float* second,
               size_t count, const MovingAverage& average);
  /// gated = x where y > 0, else 0; its columns are added to sums unless they are null.
  void (*gate)(const float* x, const float* y, size_t rows, size_t columns, float* gated, float* sums);
  void (*signStep)(const SignStep& step, const float* gradient, const float* centre, float* x, size_t count);
  void (*uniform)(uint64_t seed, uint64_t begin, float low, float high, float* y, size_t count);

  /// to[k * width + i] = from[i * rowStep + k * columnStep] for k < depth and i < count; zero for count <= i
  /// < width.
  void (*pack)(const float* from, size_t rowStep, size_t columnStep, int depth, int count, int width,
               float* to);
  /// By rows and blocks of lanes; shapes as in KernelTable's taps. `turned`: a is stored as its transpose.
  DenseTileKernel tiles[kMaxOutputs + 1][kMaxPositions + 1];
  DenseTileKernel turnedTiles[kMaxOutputs + 1][kMaxPositions + 1];
};

}  // namespace bulwark
