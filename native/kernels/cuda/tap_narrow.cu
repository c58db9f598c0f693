// Products with few outputs: the first convolutions, and adjoints into 1 to 16 channels. An input then serves
// so few multiply-adds that its way through shared memory would cost more than they do, so a thread reads its
// inputs straight into registers, four terms ahead, and the nearest cache holds what neighbouring pixels'
// taps share. Weights are the same for the whole warp. 16 outputs: 64 multiply-adds for one input vector and
// four of weights, 8 to 12 cycles of the nearest cache for 16 of arithmetic; 4 outputs: 32 for two and one,
// where the cache is the limit. No barriers.

#include "kernels/cuda/tap_work.h"

namespace bulwark::BULWARK_CUDA {
namespace {

/// Threads own `outputs` sums for 4 rows of the batch at each of `positions` pixels; 8 threads share a pixel.
template <int outputs, int positions>
struct Narrow {
  static constexpr int kThreads = 128;
  static constexpr int kOutputs = outputs, kPositions = kThreads / 8 * positions;
};

/// The inputs of a thread, term after term: `batch` at a time, which belong to one tap.
template <int positions, int batch>
class InputWalk {
 public:
  /// `column`: of the thread's first position; the others follow 4 pixels apart. Past the last column it
  /// walks somewhere, for sums that nobody stores.
  __device__ InputWalk(const TapCall& call, const Work& work, int column)
      : taps_(work.pixels.taps),
        depth_(call.depth),
        pixels_(work.pixels.pixels),
        sources_(call.sources + work.pixels.sources),
        channel_(call.depth - batch) {
#pragma unroll
    for (int i = 0; i < positions; ++i) {
      const int position = work.position + column / kLanes + 4 * i, block = position / pixels_;
      pixel_[i] = position % pixels_;
      in_[i] = call.in + static_cast<size_t>(block < call.blocks ? block : 0) * call.inBlock +
               static_cast<size_t>(work.group * depth_) * kLanes + column % kLanes;
      from_[i] = in_[i];
    }
    zeros_ = call.zeros + column % kLanes;
    lookUp();
  }

  /// To the next batch.
  __device__ __forceinline__ void advance() {
    channel_ += batch;
#pragma unroll
    for (int i = 0; i < positions; ++i) from_[i] += batch * kLanes;
    if (channel_ == depth_) {
      channel_ = 0;
#pragma unroll
      for (int i = 0; i < positions; ++i) from_[i] = next_[i] >= 0 ? in_[i] + next_[i] : zeros_;
      lookUp();  // in time for the next tap
    }
  }
  /// Of the batch's term `term`. Padding is not read.
  __device__ __forceinline__ void load(int term, float4 (&to)[positions]) const {
#pragma unroll
    for (int i = 0; i < positions; ++i)
      to[i] = __ldg(reinterpret_cast<const float4*>(from_[i]) + term * (kLanes / 4));
  }

 private:
  __device__ __forceinline__ void lookUp() {
#pragma unroll
    for (int i = 0; i < positions; ++i) next_[i] = taps_ > 0 ? __ldg(sources_ + pixel_[i]) : -1;
    sources_ += pixels_;
    --taps_;
  }

  int taps_, depth_, pixels_;
  const int* sources_;  // of the next tap
  int channel_;
  int pixel_[positions];
  const float *in_[positions], *from_[positions];
  const float* zeros_;
  int next_[positions];
};

template <int outputs, int positions>
__device__ __forceinline__ void addTerm(const float* weights, const float4 (&input)[positions],
                                        float (&sums)[positions][outputs][4]) {
#pragma unroll
  for (int output = 0; output < outputs; output += 4) {
    const float4 four = __ldg(reinterpret_cast<const float4*>(weights + output));
    const float weight[4] = {four.x, four.y, four.z, four.w};
#pragma unroll
    for (int position = 0; position < positions; ++position)
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        float (&sum)[4] = sums[position][output + i];
        sum[0] = fmaf(weight[i], input[position].x, sum[0]);
        sum[1] = fmaf(weight[i], input[position].y, sum[1]);
        sum[2] = fmaf(weight[i], input[position].z, sum[2]);
        sum[3] = fmaf(weight[i], input[position].w, sum[3]);
      }
  }
}

template <int outputs, int positions, int batch>
__global__ void __launch_bounds__(128, 4) multiplyNarrow(const TapCall call) {
  using T = Narrow<outputs, positions>;
  constexpr int kAhead = 4;
  const Work work = findWork<T>(call);
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const int first =
      (warp * positions * 4 + lane / 8) * kLanes + lane % 8 * 4;  // column of the first position
  InputWalk<positions, batch> inputs(call, work, first);
  float4 ahead[kAhead][positions];
#pragma unroll
  for (int i = 0; i < kAhead; ++i) {
    if (i % batch == 0) inputs.advance();
    inputs.load(i % batch, ahead[i]);
  }
  float sums[positions][outputs][4] = {};
  const float* weights = call.weights + work.group * call.groupWeights + work.pixels.weights;
  int terms = work.pixels.taps * call.depth;
  for (; terms >= kAhead; terms -= kAhead)
#pragma unroll
    for (int i = 0; i < kAhead; ++i, weights += outputs) {
      addTerm(weights, ahead[i], sums);
      if (i % batch == 0) inputs.advance();
      inputs.load(i % batch, ahead[i]);
    }
#pragma unroll
  for (int i = 0; i + 1 < kAhead; ++i, weights += outputs)
    if (i < terms) addTerm(weights, ahead[i], sums);

  const int left = call.outputs - work.output;
#pragma unroll
  for (int position = 0; position < positions; ++position) {
    float* const to = outputsOf(call, work, first + position * 4 * kLanes);
    if (!to) continue;
#pragma unroll
    for (int output = 0; output < outputs; ++output)
      if (output < left) storeVector<4>(sums[position][output], to + output * kLanes, call.accumulate);
  }
}

template <int outputs, int positions>
constexpr TapKernel kernelOf(double efficiency) {
  using T = Narrow<outputs, positions>;
  return {multiplyNarrow<outputs, positions, 4>,
          multiplyNarrow<outputs, positions, 1>,
          outputs,
          T::kPositions * kLanes,
          4,
          T::kThreads,
          0,
          true,
          efficiency};
}

constexpr TapKernel kNarrow[] = {kernelOf<16, 1>(0.80), kernelOf<8, 2>(0.80), kernelOf<4, 2>(0.65)};

}  // namespace

std::span<const TapKernel> narrowKernels() { return kNarrow; }

}  // namespace bulwark::BULWARK_CUDA
