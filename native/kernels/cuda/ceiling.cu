// The device's float32 arithmetic alone: chains of multiply-adds in registers, eight side by side in a
// thread, so that none waits for another. Other kernels' figures are held against this one.
#include "kernels/cuda/fastest.h"

namespace bulwark::BULWARK_CUDA {
namespace {

constexpr int kChains = 8, kThreads = 256;

__global__ void chains(float x, float y, int steps, float* out) {
  float sums[kChains];
  for (int i = 0; i < kChains; ++i) sums[i] = x * static_cast<float>(i);
  for (int step = 0; step < steps; ++step)
    for (int i = 0; i < kChains; ++i) sums[i] = fmaf(sums[i], x, y);
  float total = 0.0f;
  for (int i = 0; i < kChains; ++i) total += sums[i];
  out[blockIdx.x * blockDim.x + threadIdx.x] = total;
}

}  // namespace

double multiplyAddCeiling(int blocks, int steps) {
  const auto memory = std::make_shared<Memory>(size_t{1} << 30, 1);
  Stream stream(memory);
  const Piece out(memory, static_cast<size_t>(blocks) * kThreads * sizeof(float));
  const double seconds = fastest(stream, [&] {
    launch(stream.get(), chains, blocks, kThreads, 0.5f, 0.5f, steps, static_cast<float*>(out.data()));
  });
  return 2.0 * kChains * kThreads * blocks * steps / seconds;
}

}  // namespace bulwark::BULWARK_CUDA
