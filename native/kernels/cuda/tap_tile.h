// How a block of threads shares the work of a tile of outputs.
#pragma once

#include <algorithm>
#include <bit>

#include "kernels/cuda/layout.h"

namespace bulwark::BULWARK_CUDA {

/// A block of threads makes `kOutputs` x `kColumns` sums, a column being one row of the batch at one pixel,
/// so 32 neighbouring columns are one feature of one block of the batch: 128 bytes. A warp is `lanesM` x
/// `kLanesN` threads of `rows` x `columns` sums each, which live in registers; warpsM x warpsN warps make the
/// tile, and `slices` such teams share the terms of its sums. `chunk` terms at a time lie in shared memory,
/// `stages` chunks deep; `unrolled` terms of a slice are one stretch of instructions.
template <int warpsM, int warpsN, int slices, int lanesM, int rows, int columns, int chunk, int unrolled,
          int stages, int resident>
struct Tile {
  static constexpr int kWarpsM = warpsM, kWarpsN = warpsN, kSlices = slices, kLanesM = lanesM,
                       kLanesN = 32 / lanesM, kRows = rows, kColumnsOfThread = columns, kChunk = chunk,
                       kUnrolled = unrolled, kStages = stages, kResident = resident;
  static constexpr int kThreads = 32 * warpsM * warpsN * slices;
  static constexpr int kOutputs = warpsM * lanesM * rows, kColumns = warpsN * kLanesN * columns;
  static constexpr int kPositions = kColumns / kLanes;
  /// A term's weights in shared memory: a power of two of them, so that a thread always fetches the same
  /// outputs.
  static constexpr int kWeightRow = static_cast<int>(std::bit_ceil(static_cast<unsigned>(kOutputs)));
  static constexpr int kStage = chunk * (kWeightRow + kColumns);  // floats
  static constexpr int kSharedFloats =
      std::max(stages * kStage, slices > 1 ? slices * kOutputs * kColumns : 0);
  static constexpr int kVector = columns < 4 ? columns : 4;  // columns that a thread loads at once

  // Inputs of a chunk: a thread always fetches the same 16 bytes of the tile's columns, of several terms.
  static constexpr int kQuads = kColumns / 4, kTermStep = kThreads / kQuads,
                       kInputFetches = chunk / kTermStep;
  static constexpr int kWeightFetches = chunk * kWeightRow / 4 / kThreads;

  static_assert(kThreads % kQuads == 0 && chunk % kTermStep == 0 && kInputFetches > 0 &&
                kThreads % (kWeightRow / 4) == 0 && kWeightFetches > 0);
  static_assert(chunk % (slices * unrolled) == 0 && rows % 4 == 0 && columns % kVector == 0 &&
                kColumns % kLanes == 0);
};

}  // namespace bulwark::BULWARK_CUDA
