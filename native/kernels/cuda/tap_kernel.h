// Matrix products and convolutions, forward and adjoint: what the kernels are called with, and which there
// are.
#pragma once

#include <cstddef>
#include <span>

#include "kernels/cuda/launch.h"

namespace bulwark::BULWARK_CUDA {

/// Output pixels that meet the same kernel elements (in a matrix product one pixel and one element).
struct TapClass {
  int taps, pixels;
  int sources;     // first entry of [tap][pixel]: floats from the start of a block to the input pixel; -1:
                   // padding
  int places;      // first entry of [pixel]: floats from the start of a block to the pixel's first output
  size_t weights;  // floats from the start of a group's weights to [tap][depth][weightRow]
};

/// out[block][place + m][lane] (+)= sum over taps t, channels k of weight[t][k][m] * in[block][source +
/// k][lane].
struct TapCall {
  const float* in;
  float* out;
  size_t inBlock, outBlock;  // floats
  int blocks;
  bool accumulate;

  const TapClass* classes;  // on the device, like what they point into
  const int* sources;
  const int* places;
  const float* weights;
  const float* zeros;  // depth * 32 of them
  int classCount;
  int groups, depth, outputs;  // depth: input channels, outputs: output channels of a group
  int groupStride;             // outputs from a group to the next
  int weightRow;               // floats of a row of weights: outputs, rounded up by weightRowOf
  size_t groupWeights;         // floats of a group

  int outputTiles;  // how many tiles of the kernel's height the outputs of a group take
};

/// 4, 8 or 16, which have kernels of their own, or else a multiple of 4.
inline int weightRowOf(int outputs) {
  return outputs <= 4 ? 4 : outputs <= 8 ? 8 : outputs <= 16 ? 16 : (outputs + 3) / 4 * 4;
}

/// How a sum over taps and channels is cut: it is part of the result, because floating-point sums are.
/// `whole`: one after the other. `fourfold`, `eightfold`: that many partial sums, of every fourth or eighth
/// term, added in order, for operators with too few outputs to occupy the device otherwise.
enum class TapSum { whole, fourfold, eightfold };

/// A kernel whose blocks of threads make tiles of `outputs` x `columns` sums. A column is one row of the
/// batch at one pixel: 32 neighbouring ones are one feature of one block of the batch.
struct TapKernel {
  void (*oneTap)(TapCall);   // where no chunk of `chunk` terms mixes taps (narrow: and each is whole)
  void (*anyTaps)(TapCall);  // null: never needed
  int outputs, columns, chunk, threads, sharedBytes;
  bool narrow;  // only for operators whose row of weights is as long as the tile is high
  /// The share of multiply-adds among the instructions of the inner loop, less where caches are the limit.
  double efficiency;
};

/// Kernels that fetch terms into shared memory.
std::span<const TapKernel> tileKernels(TapSum sum);
/// Kernels for few outputs, with whole sums.
std::span<const TapKernel> narrowKernels();

}  // namespace bulwark::BULWARK_CUDA
