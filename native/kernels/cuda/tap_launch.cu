#include <algorithm>
#include <limits>

#include "kernels/cuda/tap_launch.h"

namespace bulwark::BULWARK_CUDA {
namespace {

/// Multiprocessors and rows that shapes are chosen for: an H100, and 200 images with 9 rows each. On others
/// the result is the same, and the balance a little worse.
constexpr int kProcessors = 132, kRows = 1800;
/// Sums of a thread, and warps of a multiprocessor that hide the latencies of memory and arithmetic.
constexpr int kSums = 64, kWarps = 8;
/// Sums shorter than this are not worth cutting.
constexpr int kShortestCut = 64;

size_t divided(size_t count, size_t by) { return (count + by - 1) / by; }

size_t tilesOf(const TapKernel& kernel, const TapCall& call, const std::vector<int>& pixels) {
  size_t tiles = 0;
  for (const int count : pixels)
    tiles += divided(static_cast<size_t>(count) * static_cast<size_t>(call.blocks) * kLanes,
                     static_cast<size_t>(kernel.columns));
  return tiles * static_cast<size_t>(call.groups) *
         divided(static_cast<size_t>(call.outputs), static_cast<size_t>(kernel.outputs));
}

/// In multiply-adds per term of the busiest multiprocessor.
double costOf(const TapKernel& kernel, const TapCall& call, const std::vector<int>& pixels) {
  const size_t tiles = divided(tilesOf(kernel, call, pixels), kProcessors);
  return static_cast<double>(tiles) * kernel.outputs * kernel.columns / kernel.efficiency;
}

}  // namespace

TapSum chooseTapSum(const TapShape& shape) {
  // Cut sums have no kernels that mix taps in a chunk.
  const double warps =
      static_cast<double>(shape.outputs) * shape.groups * shape.pixels * kRows / (kSums * 32);
  const double wanted = static_cast<double>(kWarps) * kProcessors;
  if (warps > wanted / 2) return TapSum::whole;
  const TapSum cut = warps > wanted / 5 ? TapSum::fourfold : TapSum::eightfold;
  const int chunk = longestChunk(cut);
  const bool mixesTaps = shape.taps > 1 && shape.depth % chunk != 0;
  return mixesTaps || shape.taps * shape.depth < kShortestCut ? TapSum::whole : cut;
}

int longestChunk(TapSum sum) {
  int longest = 0;
  for (const TapKernel& kernel : tileKernels(sum)) longest = std::max(longest, kernel.chunk);
  return longest;
}

std::vector<TapKernel> tapKernels(TapSum sum, const TapCall& call) {
  const auto tiles = tileKernels(sum);
  std::vector<TapKernel> kernels(tiles.begin(), tiles.end());
  if (sum == TapSum::whole)
    for (const TapKernel& kernel : narrowKernels())
      if (kernel.outputs == call.weightRow) kernels.push_back(kernel);
  return kernels;
}

TapKernel chooseTapKernel(TapSum sum, const TapCall& call, const std::vector<int>& pixels) {
  TapKernel best{};
  double least = std::numeric_limits<double>::infinity();
  for (const TapKernel& kernel : tapKernels(sum, call))
    if (const double cost = costOf(kernel, call, pixels); cost < least) {
      least = cost;
      best = kernel;
    }
  return best;
}

void launchTaps(cudaStream_t stream, const TapKernel& kernel, TapCall call, bool severalTaps,
                const std::vector<int>& pixels) {
  const bool mixesTaps = (severalTaps || kernel.narrow) && call.depth % kernel.chunk != 0;
  call.outputTiles =
      static_cast<int>(divided(static_cast<size_t>(call.outputs), static_cast<size_t>(kernel.outputs)));
  launchShared(stream, static_cast<size_t>(kernel.sharedBytes), mixesTaps ? kernel.anyTaps : kernel.oneTap,
               dim3(static_cast<unsigned>(tilesOf(kernel, call, pixels))),
               dim3(static_cast<unsigned>(kernel.threads)), call);
}

}  // namespace bulwark::BULWARK_CUDA
