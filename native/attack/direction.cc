#include "attack/direction.h"

#include <algorithm>
#include <cmath>

namespace bulwark {
namespace {

/// The finaliser of SplitMix64: every bit of the counter changes every bit of the result.
uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

/// Uniform in [-1, 1).
float uniform(uint64_t key, int counter) {
  return static_cast<float>(static_cast<int64_t>(mix(key + static_cast<uint64_t>(counter))) >> 40) * 0x1p-23f;
}

}  // namespace

void farPoint(const Region& region, int image, int inputSize, uint64_t seed, int restart, float* deviation) {
  const uint64_t key = mix(mix(seed) + static_cast<uint64_t>(restart));
  const float factor = static_cast<float>(8 << restart % 4);
  const size_t offset = static_cast<size_t>(image) * inputSize;
  if (region.kind == InputKind::box) {
    for (int i = 0; i < inputSize; ++i) {
      const double half = (region.upper[offset + i] - region.lower[offset + i]) / 2;
      deviation[i] = factor * static_cast<float>(half) * uniform(key, i);
    }
    return;
  }

  double norm2 = 0;
  for (int i = 0; i < inputSize; ++i) {
    deviation[i] = uniform(key, i);
    norm2 += deviation[i] * deviation[i];
  }
  const float scale = norm2 > 0 ? static_cast<float>(factor * region.eps[image] / std::sqrt(norm2)) : 0;
  for (int i = 0; i < inputSize; ++i) {
    deviation[i] *= scale;
    if (!region.clipped()) continue;
    const double center = region.center[offset + i];
    deviation[i] = std::clamp(deviation[i], static_cast<float>(region.lower[offset + i] - center),
                              static_cast<float>(region.upper[offset + i] - center));
  }
}

}  // namespace bulwark
