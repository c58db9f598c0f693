// Vectors of this instruction set. A block of kLanes rows is kParts of them.
//
// Everything here and in the other .inl files is compiled once per instruction set, under target options
// and inside a namespace. Nothing from std:: may be instantiated there: the linker would keep one copy of it
// for the whole program, perhaps the one an older CPU cannot run.

constexpr int kWidth = BULWARK_WIDTH;
constexpr int kParts = kLanes / kWidth;

typedef float vec __attribute__((vector_size(BULWARK_WIDTH * 4)));
typedef int32_t ivec __attribute__((vector_size(BULWARK_WIDTH * 4)));

// Row sums are taken in float over this many features, then added in double.
constexpr int kChunk = 64;

constexpr float kInfinity = __builtin_inff();
constexpr float kLargest = FLT_MAX;

#define BULWARK_INLINE static inline __attribute__((always_inline))

BULWARK_INLINE vec load(const float* p) { return *reinterpret_cast<const vec*>(p); }
BULWARK_INLINE void store(float* p, vec x) { *reinterpret_cast<vec*>(p) = x; }
BULWARK_INLINE vec spread(float x) { return x - vec{}; }

// These keep a NaN in x: a comparison with NaN is false.
BULWARK_INLINE vec atMost(vec x, vec cap) { return x > cap ? cap : x; }
BULWARK_INLINE vec atLeast(vec x, vec floor) { return x < floor ? floor : x; }
BULWARK_INLINE vec clamp(vec x, vec floor, vec cap) { return atMost(atLeast(x, floor), cap); }

BULWARK_INLINE vec absolute(vec x) { return reinterpret_cast<vec>(reinterpret_cast<ivec>(x) & 0x7fffffff); }

BULWARK_INLINE bool anyOf(ivec lanes) {
  int any = 0;
  for (int i = 0; i < kWidth; ++i) any |= lanes[i];
  return any != 0;
}

BULWARK_INLINE vec root(vec x) {
#if BULWARK_WIDTH == 16 && defined(__x86_64__)
  return _mm512_maskz_sqrt_ps(0xffff, x);  // _mm512_sqrt_ps warns of its own undefined register in GCC 12
#elif BULWARK_WIDTH == 8 && defined(__x86_64__)
  return _mm256_sqrt_ps(x);
#else
  for (int i = 0; i < kWidth; ++i) x[i] = __builtin_sqrtf(x[i]);
  return x;
#endif
}

/// relu(zhat + dz) - relu(zhat), without the cancellation.
BULWARK_INLINE vec reluChange(vec zhat, vec dz) {
  const vec zero{};
  return atLeast(dz + atMost(zhat, zero), -atLeast(zhat, zero));
}

BULWARK_INLINE void addTo(double* sums, vec x) {
  for (int i = 0; i < kWidth; ++i) sums[i] += x[i];
}

BULWARK_INLINE size_t blockFloats(View view) { return static_cast<size_t>(view.features) * kLanes; }
BULWARK_INLINE size_t viewFloats(View view) { return blockFloats(view) * view.blocks; }
BULWARK_INLINE int chunkEnd(int begin, int features) {
  return features - begin < kChunk ? features : begin + kChunk;
}
