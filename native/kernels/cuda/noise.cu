// Normal random numbers from a counter: Philox 4x32-10, then Box and Muller's transform, with the logarithm
// and the circle of kernels/cpu/noise.inl, so that CPU and GPU draw the same samples but for rounding.
//
// A thread makes the four numbers of one counter; a warp is one group of four features of 32 rows, so its
// stores are four whole lines and no lane takes another branch than its neighbours.
#include "kernels/cuda/lanes.h"
#include "kernels/cuda/noise.h"

namespace bulwark::BULWARK_CUDA {
namespace {

struct Words {
  uint32_t x[4];
};

__device__ inline Words philox(Words c, uint64_t seed) {
  uint32_t key0 = static_cast<uint32_t>(seed), key1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint32_t high0 = __umulhi(c.x[0], 0xd2511f53u), low0 = c.x[0] * 0xd2511f53u;
    const uint32_t high1 = __umulhi(c.x[2], 0xcd9e8d57u), low1 = c.x[2] * 0xcd9e8d57u;
    c = {{high1 ^ c.x[1] ^ key0, low1, high0 ^ c.x[3] ^ key1, low0}};
    key0 += 0x9e3779b9u;
    key1 += 0xbb67ae85u;
  }
  return c;
}

/// -log(u), u = (x + 1/2) / 2^32, to a few units in the last place: from u below 1/2, from 1 - u above, so
/// that neither end of (0, 1) is coarser than x itself.
__device__ inline float negativeLog(uint32_t x) {
  constexpr float kLog2 = 0.69314718f;
  const bool upper = x >> 31 != 0;
  const float v = static_cast<float>(static_cast<int>(upper ? ~x : x)) + 0.5f;
  // v = m 2^e with m from sqrt(1/2) to sqrt(2); log m = 2 artanh((m - 1) / (m + 1)), log(1 - w) likewise.
  const int bits = __float_as_int(v), e = (bits - 0x3f3504f3) >> 23;
  const float m = __int_as_float(bits - e * (1 << 23));
  const float w = v * 0x1p-32f;
  const float s = (upper ? -w : m - 1.0f) / (upper ? 2.0f - w : m + 1.0f);
  const float s2 = s * s;
  float series = 1 / 15.0f;
  for (int odd = 13; odd > 0; odd -= 2) series = series * s2 + 1 / static_cast<float>(odd);
  const float whole = static_cast<float>(32 - e) * kLog2;
  return (upper ? 0.0f : whole) - 2.0f * s * series;
}

/// Cosine and sine of 2 pi (x + 1/2) / 2^32: the quadrant is taken off in integers, exactly.
__device__ inline float2 circle(uint32_t x) {
  const uint32_t shifted = x + (1u << 29), quadrant = shifted >> 30;
  const int rest = static_cast<int>(shifted & ((1u << 30) - 1)) - (1 << 29);
  const float t = (static_cast<float>(rest) + 0.5f) * 1.4629180792671596e-9f;  // 2 pi / 2^32
  const float t2 = t * t;
  const float s =
      t * ((((t2 * (1 / 362880.0f) - 1 / 5040.0f) * t2 + 1 / 120.0f) * t2 - 1 / 6.0f) * t2 + 1.0f);
  const float c =
      ((((1 / 40320.0f - t2 * (1 / 3628800.0f)) * t2 - 1 / 720.0f) * t2 + 1 / 24.0f) * t2 - 0.5f) * t2 + 1.0f;
  const bool swap = (quadrant & 1) != 0;
  const float cosine = swap ? s : c, sine = swap ? c : s;
  return make_float2(((quadrant + 1) & 2) != 0 ? -cosine : cosine, (quadrant & 2) != 0 ? -sine : sine);
}

__global__ void noiseQuads(NoiseStream numbers, const float* center, float sigma, int features, float* out) {
  const int quad = static_cast<int>(blockIdx.x * kWarps + threadIdx.y), feature = 4 * quad;
  if (feature >= features) return;
  const uint32_t row = blockIdx.y * kLanes + threadIdx.x;
  const Words words =
      philox({{static_cast<uint32_t>(quad), numbers.first + row, numbers.stream, 0}}, numbers.seed);
  float g[4];
  for (int pair = 0; pair < 2; ++pair) {
    const float radius = sqrtf(2.0f * negativeLog(words.x[2 * pair]));
    const float2 at = circle(words.x[2 * pair + 1]);
    g[2 * pair] = at.x * radius;
    g[2 * pair + 1] = at.y * radius;
  }
  float* to = out + (static_cast<size_t>(blockIdx.y) * features + feature) * kLanes + threadIdx.x;
  for (int i = 0; i < 4 && feature + i < features; ++i) to[i * kLanes] = center[feature + i] + sigma * g[i];
}

}  // namespace

void noise(Stream& stream, const NoiseStream& numbers, const float* center, float sigma, View out) {
  launch(stream.get(), noiseQuads, dim3(divideUp(out.features, 4 * kWarps), out.blocks), dim3(kLanes, kWarps),
         numbers, center, sigma, out.features, out.data);
}

}  // namespace bulwark::BULWARK_CUDA
