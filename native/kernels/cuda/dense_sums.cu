// Sums over axes. Which entries a thread adds, and in which order partial sums are added, depends on shapes
// alone: first within pieces of a fixed size, in double, then over the pieces one after the other.
//
// Where the last axis is kept, neighbouring outputs read neighbouring entries, so a warp takes 32 outputs and
// the warps of a block share what is summed; where it is summed, a whole block walks along it for one output.
#include <stdexcept>

#include "kernels/cuda/dense_each.h"
#include "kernels/cuda/dense_kernels.h"

namespace bulwark::BULWARK_CUDA::dense {
namespace {

constexpr int kWarp = 32;
constexpr int kWarps = 8;
/// Entries that one thread block adds for an output: enough to hide a launch, few enough that a sum of a
/// whole batch keeps a large device busy.
constexpr size_t kPiece = 2048;

/// Sums of x over `summed` for each place of `kept`; in both, `first` is where in x, `second` where in y.
struct Reduction {
  Axes kept, summed;
  const float* x;
  float* y;
  size_t outputs, terms;
  int pieces;
  double* partials;  // [piece][output], null where there is one piece

  __device__ size_t pieceEnd(size_t begin) const { return begin + kPiece < terms ? begin + kPiece : terms; }
  __device__ void store(size_t output, int piece, double sum) const {
    if (partials)
      partials[static_cast<size_t>(piece) * outputs + output] = sum;
    else
      y[placeOf(kept, output).second] += static_cast<float>(sum);
  }
};

__global__ void sumDown(Reduction r) {
  __shared__ double shared[kWarps][kWarp];
  const size_t output = static_cast<size_t>(blockIdx.x) * kWarp + threadIdx.x;
  const size_t begin = blockIdx.y * kPiece, end = r.pieceEnd(begin);
  double sum = 0;
  if (output < r.outputs) {
    const size_t base = placeOf(r.kept, output).first;
    for (size_t term = begin + threadIdx.y; term < end; term += kWarps)
      sum += static_cast<double>(r.x[base + placeOf(r.summed, term).first]);
  }
  shared[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y > 0 || output >= r.outputs) return;
  for (int warp = 1; warp < kWarps; ++warp) sum += shared[warp][threadIdx.x];
  r.store(output, static_cast<int>(blockIdx.y), sum);
}

/// The sum over a thread block of `mine`, in thread 0.
__device__ inline double blockSum(double mine, double* shared) {
  shared[threadIdx.x] = mine;
  __syncthreads();
  for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) shared[threadIdx.x] += shared[threadIdx.x + half];
    __syncthreads();
  }
  return shared[0];
}

__global__ void sumAcross(Reduction r) {
  __shared__ double shared[kThreads];
  const size_t output = blockIdx.x;
  const size_t begin = blockIdx.y * kPiece, end = r.pieceEnd(begin);
  const size_t base = placeOf(r.kept, output).first;
  double sum = 0;
  for (size_t term = begin + threadIdx.x; term < end; term += kThreads)
    sum += static_cast<double>(r.x[base + placeOf(r.summed, term).first]);
  sum = blockSum(sum, shared);
  if (threadIdx.x == 0) r.store(output, static_cast<int>(blockIdx.y), sum);
}

/// Adds the pieces of every output.
struct Gathered {
  Reduction r;
  __device__ void operator()(size_t output) const {
    double sum = 0;
    for (int piece = 0; piece < r.pieces; ++piece)
      sum += r.partials[static_cast<size_t>(piece) * r.outputs + output];
    r.y[placeOf(r.kept, output).second] += static_cast<float>(sum);
  }
};

__global__ void normaliseAll(float* x, size_t count, float* length) {
  __shared__ double shared[kThreads];
  double sum = 0;
  for (size_t at = threadIdx.x; at < count; at += kThreads)
    sum += static_cast<double>(x[at]) * static_cast<double>(x[at]);
  const double norm = sqrt(blockSum(sum, shared));
  if (norm > 0)
    for (size_t at = threadIdx.x; at < count; at += kThreads)
      x[at] = static_cast<float>(static_cast<double>(x[at]) / norm);
  if (threadIdx.x == 0) *length = static_cast<float>(norm);
}

struct ClipFactor {
  const float* squares;
  size_t count;
  double most;
  float* factor;
  __device__ void operator()(size_t) const {
    double sum = 0;
    for (size_t i = 0; i < count; ++i) sum += static_cast<double>(squares[i]);
    const double share = most / sqrt(sum);
    *factor = static_cast<float>(share < 1.0 ? share : 1.0);
  }
};

/// Kept axes must be those of an array that they alone step through: then no two outputs are one.
void requireSeparate(const Axes& kept) {
  for (int axis = 0; axis < kept.rank; ++axis)
    for (int other = 0; other < kept.rank; ++other) {
      const bool apart = kept.steps[1][axis] >= kept.steps[1][other] * kept.dims[other] ||
                         kept.steps[1][other] >= kept.steps[1][axis] * kept.dims[axis];
      if (axis != other && !apart) throw std::invalid_argument("addReduced: places of y overlap");
    }
}

}  // namespace

void addReduced(Stream& stream, const StridedLoop& loop, const float* x, float* y) {
  Reduction r{};
  std::array<long long, kMaxRank> dense{};
  long long step = 1;
  for (int axis = loop.rank - 1; axis >= 0; --axis) {
    dense[axis] = step;
    step *= loop.dims[axis];
  }
  for (int axis = 0; axis < loop.rank; ++axis) {
    const bool keeps = loop.strides[0][axis] != 0;
    (keeps ? r.kept : r.summed).add(loop.dims[axis], dense[axis], loop.strides[0][axis]);
  }
  requireSeparate(r.kept);
  r.x = x;
  r.y = y;
  r.outputs = r.kept.count();
  r.terms = r.summed.count();
  r.pieces = divideUp(r.terms, kPiece);
  if (r.pieces > 65535) throw std::invalid_argument("addReduced: a sum of more than 2^27 entries");
  if (r.pieces > 1) r.partials = stream.partials(r.outputs * static_cast<size_t>(r.pieces));
  const unsigned pieces = static_cast<unsigned>(r.pieces);
  if (loop.strides[0][loop.rank - 1] != 0) {
    launch(stream.get(), sumDown, dim3(divideUp(r.outputs, kWarp), pieces), dim3(kWarp, kWarps), r);
  } else {
    launch(stream.get(), sumAcross, dim3(static_cast<unsigned>(r.outputs), pieces), dim3(kThreads), r);
  }
  if (r.pieces > 1) forEach(stream.get(), r.outputs, Gathered{r});
}

void normalise(Stream& stream, float* x, size_t count, float* length) {
  launch(stream.get(), normaliseAll, dim3(1), dim3(kThreads), x, count, length);
}

void clipFactor(Stream& stream, const float* squares, size_t count, float most, float* factor) {
  forEach(stream.get(), 1, ClipFactor{squares, count, static_cast<double>(most), factor});
}

}  // namespace bulwark::BULWARK_CUDA::dense
