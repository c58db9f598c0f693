// Products of operands that are read entry by entry: matrices stored either way, patches of images. A thread
// block makes a square tile of c, 16 depths at a time from shared memory, while the next 16 are on their way
// to registers; a thread makes 4 x 4 or 8 x 8 entries in registers.
//
// Training's products are small (a layer's outputs by its inputs, summed over a batch), so few tiles would
// leave a large device idle: the sum is split until there are enough thread blocks, and a second kernel adds
// the parts, in order. Tiles and parts depend on the product's shape alone, and so do the bits of its sums.
#pragma once

#include "kernels/cuda/dense_each.h"
#include "kernels/cuda/stream.h"

namespace bulwark::BULWARK_CUDA::dense {

struct ProductShape {
  int m, n, k;
};

inline constexpr int kDepth = 16;
inline constexpr int kAcross = 16;  // threads along either side of a tile
static_assert(kAcross * kAcross == kThreads);

/// Where the entries of a thread stand in its tile: groups of four, so that what a warp reads at once from
/// shared memory lies in different banks.
__device__ inline int tileEntry(int thread, int i) { return i / 4 * (4 * kAcross) + 4 * thread + i % 4; }

/// The piece of an operand that a step needs, [depth][entry]; `side` entries, four to a thread and group.
template <int side>
struct StepPiece {
  // Four more keep rows aligned and spread a column over the banks.
  static constexpr int kPitch = side * kAcross + 4;
  alignas(16) float at[kDepth][kPitch];

  /// Groups of four entries of one depth for thread `thread` of a side.
  __device__ void read(int depth, int thread, float (&into)[side]) const {
#pragma unroll
    for (int group = 0; group < side / 4; ++group) {
      const float4 four = *reinterpret_cast<const float4*>(&at[depth][group * (4 * kAcross) + 4 * thread]);
      into[4 * group] = four.x;
      into[4 * group + 1] = four.y;
      into[4 * group + 2] = four.z;
      into[4 * group + 3] = four.w;
    }
  }
};

/// Which entry of a piece a thread fetches in its i-th turn: neighbours fetch what lies side by side.
template <int side, bool alongDepth>
struct Turn {
  __device__ explicit Turn(int i) {
    const int at = static_cast<int>(threadIdx.x) + i * kThreads;
    entry = alongDepth ? at / kDepth : at % (side * kAcross);
    depth = alongDepth ? at % kDepth : at / (side * kAcross);
  }
  int entry, depth;
};

template <int side, typename Operand>
__device__ inline void fetch(const Operand& operand, int first, int limit, int depth, int end,
                             float (&into)[side]) {
#pragma unroll
  for (int i = 0; i < side; ++i) {
    const Turn<side, Operand::kAlongDepth> turn(i);
    const int entry = first + turn.entry, at = depth + turn.depth;
    into[i] = entry < limit && at < end ? operand(entry, at) : 0.0f;
  }
}

template <int side, typename Operand>
__device__ inline void put(const Operand&, const float (&from)[side], StepPiece<side>& piece) {
#pragma unroll
  for (int i = 0; i < side; ++i) {
    const Turn<side, Operand::kAlongDepth> turn(i);
    piece.at[turn.depth][turn.entry] = from[i];
  }
}

/// `a(row, depth)`, `b(column, depth)`, `end(row, column, sum)`; with `partials` [part][m][n] sums go there.
template <int side, typename A, typename B, typename End>
__global__ void __launch_bounds__(kThreads)
    tileProduct(A a, B b, End end, ProductShape shape, int columns, int partDepth, float* partials) {
  __shared__ StepPiece<side> pieceA, pieceB;
  constexpr int kSide = side * kAcross;
  const int row = static_cast<int>(blockIdx.x) / columns * kSide;
  const int column = static_cast<int>(blockIdx.x) % columns * kSide;
  const int down = static_cast<int>(threadIdx.x) / kAcross, across = static_cast<int>(threadIdx.x) % kAcross;
  const int begin = static_cast<int>(blockIdx.y) * partDepth;
  const int last = begin + partDepth < shape.k ? begin + partDepth : shape.k;
  float sums[side][side] = {};
  float nextA[side], nextB[side];
  fetch(a, row, shape.m, begin, last, nextA);
  fetch(b, column, shape.n, begin, last, nextB);
  for (int depth = begin; depth < last; depth += kDepth) {
    __syncthreads();
    put(a, nextA, pieceA);
    put(b, nextB, pieceB);
    __syncthreads();
    if (depth + kDepth < last) {
      fetch(a, row, shape.m, depth + kDepth, last, nextA);
      fetch(b, column, shape.n, depth + kDepth, last, nextB);
    }
#pragma unroll
    for (int d = 0; d < kDepth; ++d) {
      float left[side], right[side];
      pieceA.read(d, down, left);
      pieceB.read(d, across, right);
#pragma unroll
      for (int i = 0; i < side; ++i)
#pragma unroll
        for (int j = 0; j < side; ++j) sums[i][j] += left[i] * right[j];
    }
  }
#pragma unroll
  for (int i = 0; i < side; ++i) {
    const int y = row + tileEntry(down, i);
#pragma unroll
    for (int j = 0; j < side; ++j) {
      const int x = column + tileEntry(across, j);
      if (y >= shape.m || x >= shape.n) continue;
      if (partials)
        partials[(static_cast<size_t>(blockIdx.y) * shape.m + y) * shape.n + x] = sums[i][j];
      else
        end(y, x, sums[i][j]);
    }
  }
}

template <typename End>
struct AddParts {
  const float* partials;
  int parts;
  ProductShape shape;
  End end;
  __device__ void operator()(size_t at) const {
    const size_t size = static_cast<size_t>(shape.m) * static_cast<size_t>(shape.n);
    double sum = 0;
    for (int part = 0; part < parts; ++part)
      sum += static_cast<double>(partials[static_cast<size_t>(part) * size + at]);
    const size_t row = at / static_cast<size_t>(shape.n);
    end(static_cast<int>(row), static_cast<int>(at - row * static_cast<size_t>(shape.n)),
        static_cast<float>(sum));
  }
};

template <int side, typename A, typename B, typename End>
void multiplyTiles(Stream& stream, ProductShape shape, const A& a, const B& b, const End& end) {
  // What two thread blocks on each multiprocessor of a large device make, and the least worth a block.
  constexpr int kWantedBlocks = 264, kLeastPart = 64;
  constexpr size_t kSide = side * kAcross;
  const int rows = divideUp(static_cast<size_t>(shape.m), kSide);
  const int columns = divideUp(static_cast<size_t>(shape.n), kSide);
  const long long tiles = static_cast<long long>(rows) * columns;
  const int most = divideUp(static_cast<size_t>(shape.k), kLeastPart);
  const int wanted = static_cast<int>(tiles < kWantedBlocks ? kWantedBlocks / tiles : 1);
  const int split = wanted < most ? wanted : (most > 1 ? most : 1);
  const int partDepth = divideUp(static_cast<size_t>(shape.k), static_cast<size_t>(split) * kDepth) * kDepth;
  const int parts = shape.k > 0 ? divideUp(static_cast<size_t>(shape.k), static_cast<size_t>(partDepth)) : 1;
  const size_t size = static_cast<size_t>(shape.m) * static_cast<size_t>(shape.n);
  float* partials = nullptr;
  if (parts > 1)
    partials = reinterpret_cast<float*>(stream.partials((size * static_cast<size_t>(parts) + 1) / 2));
  launch(stream.get(), tileProduct<side, A, B, End>,
         dim3(static_cast<unsigned>(tiles), static_cast<unsigned>(parts)), dim3(kThreads), a, b, end, shape,
         columns, partDepth, partials);
  if (parts > 1) forEach(stream.get(), size, AddParts<End>{partials, parts, shape, end});
}

/// end(row, column, sum over depth of a(row, depth) b(column, depth)) for every entry of [m, n].
template <typename A, typename B, typename End>
void multiply(Stream& stream, ProductShape shape, const A& a, const B& b, const End& end) {
  if (shape.m == 0 || shape.n == 0) return;
  // Large tiles read less and need many of them to fill a device.
  constexpr int kLarge = 8, kSmall = 4;
  constexpr long long kManyEntries = 128LL * (kLarge * kAcross) * (kLarge * kAcross);
  if (static_cast<long long>(shape.m) * shape.n >= kManyEntries && shape.m >= kLarge * kAcross / 2 &&
      shape.n >= kLarge * kAcross / 2)
    multiplyTiles<kLarge>(stream, shape, a, b, end);
  else
    multiplyTiles<kSmall>(stream, shape, a, b, end);
}

}  // namespace bulwark::BULWARK_CUDA::dense
