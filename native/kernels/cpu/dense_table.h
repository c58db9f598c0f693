// The loops of row-major arithmetic, as a table that each instruction set fills.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/dense.h"

namespace bulwark {

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
               size_t count);
  void (*signStep)(const SignStep& step, const float* gradient, const float* centre, float* x, size_t count);
  void (*uniform)(uint64_t seed, uint64_t begin, float low, float high, float* y, size_t count);

  /// to[k * width + i] = from[i * rowStep + k * columnStep] for k < depth and i < count; zero for count <= i
  /// < width.
  void (*pack)(const float* from, size_t rowStep, size_t columnStep, int depth, int count, int width,
               float* to);
  /// C rows [0, rows) of up to 16 columns from [row][16].
  void (*unpack)(const float* from, int rows, int columns, size_t rowStep, bool accumulate, float* to);
};

}  // namespace bulwark
