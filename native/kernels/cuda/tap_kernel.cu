// Products W X where X's columns are rows of the batch (and for convolutions pixels: an implicit gemm, whose
// columns of a term are looked up by tap). Why it looks like this:
//
// - Lanes are columns, so everything that is read or written outside is 128 bytes of neighbouring floats, and
// no row
//   ever meets another's numbers. Padding is never read: its place in shared memory is zeroed.
// - A thread owns 8 x 8 sums (or about as many), so that per term it loads 16 numbers from shared memory for
// 64
//   multiply-adds: four 128-bit loads, 6 % of the instructions, at half of what shared memory can deliver.
// - Chunks of terms travel from device to shared memory by asynchronous copies, several stages ahead, which
// costs no
//   registers; one barrier a chunk. A tile of 128 x 128 does 32 multiply-adds per float fetched, 64 x 64 does
//   16, so at full speed (128 a cycle) a multiprocessor wants 16 and 32 bytes a cycle of the second cache,
//   the most it gets.
// - No atomics, no sum cut by the batch: a row's result is the same bits alone, in any batch, and in any
// tile.
//
// What differs between the tiles is which shape of operator they waste little on: see the end.

#include "kernels/cuda/async_copy.h"
#include "kernels/cuda/tap_tile.h"
#include "kernels/cuda/tap_work.h"

namespace bulwark::BULWARK_CUDA {
namespace {

/// Fetches the weights of one chunk of terms after the other. Outputs and terms past the last get what lies
/// behind: finite numbers, for sums that nobody reads and inputs that are zero.
template <class T>
class WeightLoader {
 public:
  __device__ WeightLoader(const TapCall& call, const Work& work)
      : row_(call.weightRow),
        weights_(call.weights + work.group * call.groupWeights + work.pixels.weights + work.output +
                 static_cast<int>(threadIdx.x) / kRowQuads * row_ +
                 static_cast<int>(threadIdx.x) % kRowQuads * 4) {}

  __device__ __forceinline__ void fetch(AsyncCopies& copies, float* stage) {
    float* const to = stage + threadIdx.x * 4;
#pragma unroll
    for (int i = 0; i < T::kWeightFetches; ++i)
      copies.start(to + i * T::kThreads * 4, weights_ + i * kTermStep * row_, true);
    weights_ += T::kChunk * row_;
  }

 private:
  static constexpr int kRowQuads = T::kWeightRow / 4, kTermStep = T::kThreads / kRowQuads;

  int row_;
  const float* weights_;
};

/// Fetches the inputs of one chunk of terms after the other. A thread stays with its column and takes every
/// kTermStep-th term. `oneTap`: a chunk's terms all belong to one tap.
template <class T, bool oneTap>
class InputLoader {
 public:
  __device__ InputLoader(const TapCall& call, const Work& work)
      : depth_(call.depth), pixels_(work.pixels.pixels), taps_(work.pixels.taps) {
    const int column = static_cast<int>(threadIdx.x) % T::kQuads * 4;
    const int position = work.position + column / kLanes, block = position / pixels_;
    if (block >= call.blocks) taps_ = 0;  // past the last column: zeros
    source_ = call.sources + work.pixels.sources + position % pixels_;
    in_ = call.in + static_cast<size_t>(taps_ > 0 ? block : 0) * call.inBlock +
          static_cast<size_t>(work.group) * depth_ * kLanes + column % kLanes;
    channel_ = oneTap ? firstTerm() : firstTerm() % depth_;
    taps_ -= oneTap ? 0 : firstTerm() / depth_;
    source_ += oneTap ? 0 : firstTerm() / depth_ * pixels_;
    at_ = nextSource();
  }

  __device__ __forceinline__ void fetch(AsyncCopies& copies, float* stage) {
    float* const to = stage + T::kChunk * T::kWeightRow + threadIdx.x * 4;
#pragma unroll
    for (int i = 0; i < T::kInputFetches; ++i) {
      // The first term's address plus a constant, where all are of one tap.
      const int further = oneTap ? i * T::kTermStep : 0;
      copies.start(to + i * T::kTermStep * T::kColumns, in_ + (at_ + channel_ * kLanes) + further * kLanes,
                   at_ >= 0 && (!oneTap || channel_ + further < depth_));
      if (!oneTap) advance(T::kTermStep);
    }
    if (oneTap) advance(T::kChunk);
  }

 private:
  /// Of a chunk, that this thread fetches.
  __device__ static int firstTerm() { return static_cast<int>(threadIdx.x) / T::kQuads; }
  __device__ int nextSource() const { return taps_ > 0 ? __ldg(source_) : -1; }

  /// The input pixel is looked up as soon as it is known, so that it is there when it is needed.
  __device__ __forceinline__ void advance(int terms) {
    const int before = taps_;
    if (oneTap) {
      channel_ += terms;
      if (channel_ >= depth_ + firstTerm()) channel_ = firstTerm(), --taps_, source_ += pixels_;
    } else {
      channel_ += terms % depth_;
      taps_ -= terms / depth_;
      source_ += terms / depth_ * pixels_;
      if (channel_ >= depth_) channel_ -= depth_, --taps_, source_ += pixels_;
    }
    if (taps_ != before) at_ = nextSource();
  }

  int depth_, pixels_;
  int taps_;           // that are left
  const int* source_;  // of the next tap
  const float* in_;
  int at_, channel_;  // of the next term: the input pixel, or -1, and where in it
};

/// Where a thread stands in the tile.
template <class T>
struct Seat {
  int slice, output, column;
  __device__ Seat() {
    const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
    slice = warp / (T::kWarpsM * T::kWarpsN);
    const int warpM = warp % T::kWarpsM, warpN = warp / T::kWarpsM % T::kWarpsN;
    // Neighbouring lanes share their columns, the next ones their outputs: half a warp's loads are then one
    // access of shared memory.
    const int laneM = T::kLanesM == 1 ? 0 : lane % 2 + lane / (2 * T::kLanesN) * 2;
    const int laneN = T::kLanesM == 1 ? lane : lane / 2 % T::kLanesN;
    output = warpM * T::kLanesM * T::kRows + laneM * 4;
    column = warpN * T::kLanesN * T::kColumnsOfThread + laneN * T::kVector;
  }
  /// Of the thread's sum (row, column).
  __device__ static constexpr int outputOf(int row) { return row / 4 * (T::kLanesM * 4) + row % 4; }
  __device__ static constexpr int columnOf(int column) {
    return column / T::kVector * (T::kLanesN * T::kVector) + column % T::kVector;
  }
};

template <class T>
using Sums = float[T::kRows][T::kColumnsOfThread];

template <class T>
__device__ __forceinline__ void multiplyTerm(const float* weights, const float* inputs, Sums<T>& sums) {
  float weight[T::kRows], input[T::kColumnsOfThread];
#pragma unroll
  for (int row = 0; row < T::kRows; row += 4) loadVector<4>(weights + Seat<T>::outputOf(row), weight + row);
#pragma unroll
  for (int column = 0; column < T::kColumnsOfThread; column += T::kVector)
    loadVector<T::kVector>(inputs + Seat<T>::columnOf(column), input + column);
#pragma unroll
  for (int row = 0; row < T::kRows; ++row)
#pragma unroll
    for (int column = 0; column < T::kColumnsOfThread; ++column)
      sums[row][column] = fmaf(weight[row], input[column], sums[row][column]);
}

/// One slice's terms of a chunk that holds `terms`: every kSlices-th. Terms past the last, of which there are
/// less than kUnrolled * kSlices, are zeros.
template <class T>
__device__ __forceinline__ void multiplyChunk(const float* stage, const Seat<T>& seat, int terms,
                                              Sums<T>& sums) {
  constexpr int kStep = T::kUnrolled * T::kSlices;
  const float* weights = stage + seat.slice * T::kWeightRow + seat.output;
  const float* inputs = stage + T::kChunk * T::kWeightRow + seat.slice * T::kColumns + seat.column;
#pragma unroll 1
  for (int left = min(terms, T::kChunk); left > 0; left -= kStep) {
#pragma unroll
    for (int i = 0; i < T::kUnrolled; ++i)
      multiplyTerm<T>(weights + i * T::kSlices * T::kWeightRow, inputs + i * T::kSlices * T::kColumns, sums);
    weights += kStep * T::kWeightRow;
    inputs += kStep * T::kColumns;
  }
}

template <class T>
__device__ __forceinline__ void storeWhole(const TapCall& call, const Work& work, const Seat<T>& seat,
                                           const Sums<T>& sums) {
  const int left = call.outputs - work.output - seat.output;
#pragma unroll
  for (int column = 0; column < T::kColumnsOfThread; column += T::kVector) {
    float* const to = outputsOf(call, work, seat.column + Seat<T>::columnOf(column));
    if (!to) continue;
#pragma unroll
    for (int row = 0; row < T::kRows; ++row) {
      const int output = Seat<T>::outputOf(row);
      if (output < left)
        storeVector<T::kVector>(&sums[row][column], to + (seat.output + output) * kLanes, call.accumulate);
    }
  }
}

/// Adds the slices' sums, the first first. The chunks in shared memory are no longer needed.
template <class T>
__device__ __forceinline__ void storeSlices(const TapCall& call, const Work& work, const Seat<T>& seat,
                                            const Sums<T>& sums, float* shared) {
  float* const mine =
      shared + seat.slice * T::kOutputs * T::kColumns + seat.output * T::kColumns + seat.column;
  __syncthreads();
#pragma unroll
  for (int row = 0; row < T::kRows; ++row)
#pragma unroll
    for (int column = 0; column < T::kColumnsOfThread; column += T::kVector)
      storeVector<T::kVector>(&sums[row][column],
                              mine + Seat<T>::outputOf(row) * T::kColumns + Seat<T>::columnOf(column), false);
  __syncthreads();
  const int column = static_cast<int>(threadIdx.x) % T::kQuads * 4;
  float* const to = outputsOf(call, work, column);
  const int left = min(call.outputs - work.output, T::kOutputs);
  if (!to) return;
  for (int output = static_cast<int>(threadIdx.x) / T::kQuads; output < left; output += T::kTermStep) {
    float sum[4];
    loadVector<4>(shared + output * T::kColumns + column, sum);
#pragma unroll
    for (int slice = 1; slice < T::kSlices; ++slice) {
      float next[4];
      loadVector<4>(shared + (slice * T::kOutputs + output) * T::kColumns + column, next);
#pragma unroll
      for (int i = 0; i < 4; ++i) sum[i] += next[i];
    }
    storeVector<4>(sum, to + output * kLanes, call.accumulate);
  }
}

template <class T, bool oneTap>
__global__ void __launch_bounds__(T::kThreads, T::kResident) multiplyTaps(const TapCall call) {
  float* const shared = dynamicShared<float>();
  // Not in registers: it is needed before and after the sums, which need them all.
  __shared__ Work work;
  if (threadIdx.x == 0) work = findWork<T>(call);
  __syncthreads();
  const Seat<T> seat;
  WeightLoader<T> weights(call, work);
  InputLoader<T, oneTap> inputs(call, work);
  AsyncCopies copies;
  int terms = work.pixels.taps * call.depth, ahead = terms;  // left to add, and to fetch
  // Past the last chunk nothing is fetched, but every stage is a group of copies.
  const auto fetch = [&](int stage) {
    if (ahead > 0) {
      weights.fetch(copies, shared + stage * T::kStage);
      inputs.fetch(copies, shared + stage * T::kStage);
      ahead -= T::kChunk;
    }
    copies.commit();
  };
#pragma unroll
  for (int stage = 0; stage + 1 < T::kStages; ++stage) fetch(stage);
  Sums<T> sums = {};
  int reads = 0, writes = T::kStages - 1;
  for (; terms > 0; terms -= T::kChunk) {
    copies.template wait<T::kStages - 2>();
    __syncthreads();  // the chunk is there for all, and all are done with the one before
    fetch(writes);
    multiplyChunk<T>(shared + reads * T::kStage, seat, terms, sums);
    if (++reads == T::kStages) reads = 0;
    if (++writes == T::kStages) writes = 0;
  }
  copies.template wait<0>();
  if constexpr (T::kSlices == 1)
    storeWhole<T>(call, work, seat, sums);
  else
    storeSlices<T>(call, work, seat, sums, shared);
}

template <class T>
constexpr TapKernel kernelOf(double efficiency) {
  constexpr int kBytes = static_cast<int>(sizeof(float)) * T::kSharedFloats;
  void (*anyTaps)(TapCall) = nullptr;
  if constexpr (T::kSlices == 1) anyTaps = multiplyTaps<T, false>;
  return {multiplyTaps<T, true>, anyTaps, T::kOutputs, T::kColumns, T::kChunk,
          T::kThreads,           kBytes,  false,       efficiency};
}

//                                  warps    slices lanes rows columns chunk unrolled stages resident
constexpr TapKernel kWhole[] = {kernelOf<Tile<4, 2, 1, 4, 8, 8, 32, 8, 2, 2>>(0.88),        // 128 x 128
                                kernelOf<Tile<2, 2, 1, 4, 8, 8, 16, 8, 2, 4>>(0.86),        // 64 x 128
                                kernelOf<Tile<2, 1, 1, 4, 8, 8, 32, 8, 2, 7>>(0.83),        // 64 x 64
                                kernelOf<Tile<1, 4, 1, 4, 8, 8, 16, 8, 2, 4>>(0.85),        // 32 x 256
                                kernelOf<Tile<1, 2, 1, 4, 8, 8, 16, 8, 2, 8>>(0.82)};       // 32 x 128
constexpr TapKernel kFourfold[] = {kernelOf<Tile<2, 1, 4, 4, 8, 8, 64, 8, 2, 2>>(0.84)};    // 64 x 64
constexpr TapKernel kEightfold[] = {kernelOf<Tile<1, 1, 8, 4, 16, 4, 128, 8, 2, 1>>(0.84),  // 64 x 32
                                    kernelOf<Tile<1, 1, 8, 2, 28, 2, 128, 8, 2, 1>>(0.79),  // 56 x 32
                                    kernelOf<Tile<1, 1, 8, 4, 8, 4, 128, 4, 2, 2>>(0.75),   // 32 x 32
                                    kernelOf<Tile<1, 1, 8, 4, 4, 4, 128, 4, 2, 2>>(0.60)};  // 16 x 32

}  // namespace

std::span<const TapKernel> tileKernels(TapSum sum) {
  if (sum == TapSum::fourfold) return kFourfold;
  if (sum == TapSum::eightfold) return kEightfold;
  return kWhole;
}

}  // namespace bulwark::BULWARK_CUDA
