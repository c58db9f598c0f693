// Random numbers as functions of seed and position: the mixer of kernels/cpu/dense.inl, word by word.
#include "kernels/cuda/dense_each.h"
#include "kernels/cuda/dense_kernels.h"

namespace bulwark::BULWARK_CUDA::dense {
namespace {

struct Mixer {
  uint32_t keys[2];
  explicit Mixer(uint64_t seed) : keys{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)} {}
  /// The 24 bits of position `at`.
  __device__ float bits(size_t at) const {
    uint32_t h = static_cast<uint32_t>(at) * 0x9e3779b9u;
    for (int round = 0; round < 2; ++round) {
      h ^= keys[round];
      h = (h ^ (h >> 16)) * 0x7feb352du;
      h = (h ^ (h >> 15)) * 0x846ca68bu;
      h ^= h >> 16;
    }
    return static_cast<float>(static_cast<int32_t>(h >> 8));
  }
};

struct Uniform {
  Mixer mixer;
  float low, width;
  float* y;
  /// One rounding, as where the CPU has fused multiply-adds.
  __device__ void operator()(size_t at) const { y[at] = fmaf(width, mixer.bits(at), low); }
};

/// Box and Muller's pairs.
struct Gaussian {
  Mixer mixer;
  float deviation;
  float* y;
  size_t count;
  __device__ void operator()(size_t pair) const {
    const float u = 0x1p-24f * mixer.bits(2 * pair), v = 0x1p-24f * mixer.bits(2 * pair + 1);
    const float radius = deviation * sqrtf(-2.0f * logf(1.0f - u));
    const float angle = 6.2831853f * v;
    y[2 * pair] = radius * cosf(angle);
    if (2 * pair + 1 < count) y[2 * pair + 1] = radius * sinf(angle);
  }
};

}  // namespace

void uniform(Stream& stream, uint64_t seed, float low, float high, float* y, size_t count) {
  forEach(stream.get(), count, Uniform{Mixer(seed), low, (high - low) * 0x1p-24f, y});
}

void gaussian(Stream& stream, uint64_t seed, float deviation, float* y, size_t count) {
  forEach(stream.get(), (count + 1) / 2, Gaussian{Mixer(seed), deviation, y, count});
}

}  // namespace bulwark::BULWARK_CUDA::dense
