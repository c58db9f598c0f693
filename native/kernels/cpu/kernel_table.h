// The kernels of one instruction set as a table of functions. Each set compiles the same sources in a
// namespace of its own (avx512.cc, avx2.cc, portable.cc); `dispatch.cc` chooses a table at run time.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/backend.h"
#include "kernels/cpu/dense_table.h"
#include "kernels/split_loss.h"

namespace bulwark {

/// Rows of a block, whatever the instruction set: narrower sets work on a block in several parts.
inline constexpr int kLanes = 16;

/// A stretch of `length` consecutive input features that a slab of weights meets.
struct TapSegment {
  int32_t depth;   // first row of the slab
  int32_t length;  // rows
  int32_t column;  // where to look up the input offset of a position
};

/// out[i][m] (+)= sum over segments s, k of weights[s.depth + k][m] * in[i][offset(i, s) + k], for positions
/// i and outputs m of one register tile. Every number is a vector of kLanes rows, except weights.
struct TapCall {
  const float* const* in;         // per position
  const int32_t* const* offsets;  // per position: floats from `in`, by column
  float* const* out;              // per position
  const float* weights;           // [depth][outputs of the tile]
  const TapSegment* segments;
  int segmentCount;
  bool accumulate;
  const int32_t*
      targets;  // null: output m lies at out[i] + m vectors; else it is added at out[i] + targets[m] floats
};
using TapKernel = void (*)(const TapCall&);

struct KernelTable {
  const char* name;

  int maxOutputs;                     // widest register tile
  int maxPositions[kMaxOutputs + 1];  // for a tile of that many outputs
  TapKernel taps[kMaxOutputs + 1][kMaxPositions + 1];

  void (*scale)(const float* factors, View in, View out, bool accumulate);
  void (*index)(const int32_t* source, View in, View out, bool accumulate);
  void (*indexAdjoint)(const int32_t* source, View in, View out);  // adds
  void (*addBias)(const float* bias, View y);
  void (*copy)(View in, View out, bool accumulate);
  void (*gather)(View in, const int32_t* source, View out);
  void (*select)(Rows which, View in, View out);

  void (*reluDual)(const ReluLayer&, View c, const uint8_t* fresh, View v, View dz, Sums value,
                   Rows distance2);
  void (*reluAscend)(const ReluLayer&, View y, View dz, View c, const Adam&);
  void (*slopes)(const ReluLayer&, View c, View out);
  void (*losses)(const ReluLayer&, View y, View dz, View c, View out);
  void (*norm2)(View in, Rows out);
  void (*inputDual)(const InputRegion&, View a, int steps, View dx,
                    Sums value);  // all but the clipped l1 ball
  void (*deflect)(const InputRegion&, Rows keep, Rows add, View pulled, View dx);

  void (*midRadius)(View lower, View upper, View mid, View radius);
  void (*ballBox)(View mid, View radius, const float* reach, Rows rho, float slack, View lower, View upper);
  void (*intersectBox)(View lower, View upper, View intoLower, View intoUpper);
  void (*reluBox)(View zhat, View lower, View upper, View outLower, View outUpper);
  void (*relu)(View x, View y);
  void (*reluMask)(View x, View g);

  void (*dot)(View a, View b, Rows value);
  void (*keepBest)(Rows value, View x, Rows best, View kept);
  void (*descend)(const InputRegion&, View gradient, float step, View dx);

  void (*noise)(const NoiseStream&, const float* center, float sigma, View out);

  DenseTable dense;
};

namespace portable {
extern const KernelTable table;
}
#if defined(__x86_64__)
namespace avx2 {
extern const KernelTable table;
}
namespace avx512 {
extern const KernelTable table;
}
#endif

}  // namespace bulwark
