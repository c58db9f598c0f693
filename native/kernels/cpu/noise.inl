// Normal random numbers from a counter: Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as
// 1, 2, 3", SC 2011), then Box and Muller's transform. A number depends on the seed and on its place alone,
// so any thread may make any of them.

typedef uint32_t uvec __attribute__((vector_size(BULWARK_WIDTH * 4)));

/// The upper and the lower halves of the products with `factor`.
BULWARK_INLINE void wideProduct(uvec a, uint32_t factor, uvec& high, uvec& low) {
#if BULWARK_WIDTH == 16 && defined(__x86_64__)
  const __m512i x = reinterpret_cast<__m512i>(a), f = _mm512_set1_epi32(static_cast<int>(factor));
  const __m512i even = _mm512_maskz_mul_epu32(0xff, x, f);
  const __m512i odd = _mm512_maskz_mul_epu32(0xff, _mm512_maskz_srli_epi64(0xff, x, 32), f);
  high =
      reinterpret_cast<uvec>(_mm512_mask_blend_epi32(0xaaaa, _mm512_maskz_srli_epi64(0xff, even, 32), odd));
  low = reinterpret_cast<uvec>(_mm512_mask_blend_epi32(0xaaaa, even, _mm512_maskz_slli_epi64(0xff, odd, 32)));
#elif BULWARK_WIDTH == 8 && defined(__x86_64__)
  const __m256i x = reinterpret_cast<__m256i>(a), f = _mm256_set1_epi32(static_cast<int>(factor));
  const __m256i even = _mm256_mul_epu32(x, f), odd = _mm256_mul_epu32(_mm256_srli_epi64(x, 32), f);
  high = reinterpret_cast<uvec>(_mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa));
  low = reinterpret_cast<uvec>(_mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa));
#else
  for (int i = 0; i < kWidth; ++i) {
    const uint64_t product = static_cast<uint64_t>(a[i]) * factor;
    high[i] = static_cast<uint32_t>(product >> 32);
    low[i] = static_cast<uint32_t>(product);
  }
#endif
}

BULWARK_INLINE void philox(uvec (&c)[4], uint64_t seed) {
  uint32_t key0 = static_cast<uint32_t>(seed), key1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    uvec high0, low0, high1, low1;
    wideProduct(c[0], 0xd2511f53u, high0, low0);
    wideProduct(c[2], 0xcd9e8d57u, high1, low1);
    c[0] = high1 ^ c[1] ^ key0;
    c[1] = low1;
    c[2] = high0 ^ c[3] ^ key1;
    c[3] = low0;
    key0 += 0x9e3779b9u;
    key1 += 0xbb67ae85u;
  }
}

/// (float) x, for x < 2^31.
BULWARK_INLINE vec toFloat(uvec x) { return __builtin_convertvector(reinterpret_cast<ivec>(x), vec); }

/// -log(u), u = (x + 1/2) / 2^32, to a few units in the last place: from u below 1/2, from 1 - u above, so
/// that neither end of (0, 1) is coarser than x itself.
BULWARK_INLINE vec negativeLog(uvec x) {
  constexpr float kLog2 = 0.69314718f;
  const ivec upper = reinterpret_cast<ivec>(x) < 0;
  const vec v =
      toFloat(reinterpret_cast<uvec>(upper ? reinterpret_cast<ivec>(~x) : reinterpret_cast<ivec>(x))) + 0.5f;
  // v = m 2^e with m from sqrt(1/2) to sqrt(2); log m = 2 artanh((m - 1) / (m + 1)), log(1 - w) likewise.
  const ivec bits = reinterpret_cast<ivec>(v), e = (bits - 0x3f3504f3) >> 23;
  const vec m = reinterpret_cast<vec>(bits - (e << 23));
  const vec w = v * 0x1p-32f;
  const vec s = (upper ? -w : m - 1.0f) / (upper ? 2.0f - w : m + 1.0f);
  const vec s2 = s * s;
  vec series = spread(1 / 15.0f);
  for (int odd = 13; odd > 0; odd -= 2) series = series * s2 + 1 / static_cast<float>(odd);
  const vec whole = __builtin_convertvector(32 - e, vec) * kLog2;
  return (upper ? vec{} : whole) - 2.0f * s * series;
}

/// Sine and cosine of 2 pi (x + 1/2) / 2^32: the quadrant is taken off in integers, exactly.
BULWARK_INLINE void circle(uvec x, vec& cosine, vec& sine) {
  const uvec shifted = x + (1u << 29), quadrant = shifted >> 30;
  const ivec rest = reinterpret_cast<ivec>(shifted & ((1u << 30) - 1)) - (1 << 29);
  const vec t = (__builtin_convertvector(rest, vec) + 0.5f) * 1.4629180792671596e-9f;  // 2 pi / 2^32
  const vec t2 = t * t;
  const vec s = t * ((((t2 * (1 / 362880.0f) - 1 / 5040.0f) * t2 + 1 / 120.0f) * t2 - 1 / 6.0f) * t2 + 1.0f);
  const vec c =
      ((((1 / 40320.0f - t2 * (1 / 3628800.0f)) * t2 - 1 / 720.0f) * t2 + 1 / 24.0f) * t2 - 0.5f) * t2 + 1.0f;
  const ivec swap = reinterpret_cast<ivec>(quadrant << 31) < 0;
  const ivec cosineSign = reinterpret_cast<ivec>(((quadrant + 1) & 2) << 30);
  const ivec sineSign = reinterpret_cast<ivec>((quadrant & 2) << 30);
  cosine = reinterpret_cast<vec>(reinterpret_cast<ivec>(swap ? s : c) ^ cosineSign);
  sine = reinterpret_cast<vec>(reinterpret_cast<ivec>(swap ? c : s) ^ sineSign);
}

static void noise(const NoiseStream& stream, const float* center, float sigma, View out) {
  uvec lane;
  for (int i = 0; i < kWidth; ++i) lane[i] = static_cast<uint32_t>(i);
  for (int block = 0; block < out.blocks; ++block) {
    float* to = out.data + block * blockFloats(out);
    for (int feature = 0; feature < out.features; feature += 4)
      for (int part = 0; part < kLanes; part += kWidth) {
        const uint32_t sample = stream.first + static_cast<uint32_t>(block * kLanes + part);
        const uvec zero{};
        uvec x[4] = {zero + static_cast<uint32_t>(feature / 4), lane + sample, zero + stream.stream, zero};
        philox(x, stream.seed);
        vec g[4];
        for (int pair = 0; pair < 2; ++pair) {
          const vec radius = root(2.0f * negativeLog(x[2 * pair]));
          circle(x[2 * pair + 1], g[2 * pair], g[2 * pair + 1]);
          g[2 * pair] *= radius;
          g[2 * pair + 1] *= radius;
        }
        for (int i = 0; i < 4 && feature + i < out.features; ++i)
          store(to + static_cast<size_t>(feature + i) * kLanes + part, center[feature + i] + sigma * g[i]);
      }
  }
}
