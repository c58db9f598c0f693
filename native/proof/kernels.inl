// Included once per instruction set, with PROOF_WIDTH doubles to a vector. Nothing from std:: may be
// instantiated here: the linker would keep one copy for the whole program.

#define PROOF_INLINE static inline __attribute__((always_inline))

/// A vector of lanes.
typedef double V __attribute__((vector_size(PROOF_WIDTH * 8)));
typedef int64_t Mask __attribute__((vector_size(PROOF_WIDTH * 8)));

PROOF_INLINE V load(const double* p) {
  V x;
  __builtin_memcpy(&x, p, sizeof x);  // at any address
  return x;
}
PROOF_INLINE void store(double* p, V x) { __builtin_memcpy(p, &x, sizeof x); }
PROOF_INLINE V spread(double x) { return x - V{}; }
PROOF_INLINE V absolute(V x) {
  return reinterpret_cast<V>(reinterpret_cast<Mask>(x) & (INT64_MAX - Mask{}));  // keeps NaN
}
PROOF_INLINE V smaller(V a, V b) { return a < b ? a : b; }
PROOF_INLINE void addTo(double* p, V x) { store(p, load(p) + x); }

/// Lanes [part, part + width) of what is known of feature i.
template <bool own>
PROOF_INLINE V fact(const double* values, int i, int part) {
  if (own) return load(values + static_cast<int64_t>(i) * kLanes + part);
  return spread(values[i]);
}

#include "proof/boxes.inl"
#include "proof/minima.inl"
#include "proof/planes.inl"
#include "proof/products.inl"

// --- sums ---

template <bool own>
static void weigh(int features, int part, const double* g, const double* bias, const double* weight,
                  double* sums, double* magnitudes) {
  V total{}, totalMagnitude{};
  for (int begin = 0; begin < features; begin += kChunk) {
    const int end = features - begin < kChunk ? features : begin + kChunk;
    V sum{}, magnitude{};
    for (int i = begin; i < end; ++i) {
      const V x = load(g + static_cast<int64_t>(i) * kLanes + part);
      if (bias) sum += bias[i] * x;
      if (weight) magnitude += fact<own>(weight, i, part) * absolute(x);
    }
    total += sum;
    totalMagnitude += magnitude;
  }
  addTo(sums + part, total);
  addTo(magnitudes + part, totalMagnitude);
}

template <bool own>
static void accumulate(int features, int part, const double* from, double* into, const double* weight,
                       double* magnitudes) {
  V total{};
  for (int i = 0; i < features; ++i) {
    const int64_t at = static_cast<int64_t>(i) * kLanes + part;
    const V x = load(from + at), sum = load(into + at) + x;
    store(into + at, sum);
    total += fact<own>(weight, i, part) * (absolute(sum) + absolute(x));
  }
  addTo(magnitudes + part, total);
}

static void reluOf(const ReluCall& call) {
  for (int part = 0; part < kLanes; part += PROOF_WIDTH) {
    if (call.balls.weighted) {
      (call.own ? relu<true, true, true> : relu<true, false, true>)(call, part);
    } else if (call.own) {
      (call.balls.payment ? relu<true, true, false> : relu<false, true, false>)(call, part);
    } else {
      (call.balls.payment ? relu<true, false, false> : relu<false, false, false>)(call, part);
    }
  }
}

static void crownOf(const CrownCall& call) {
  for (int part = 0; part < kLanes; part += PROOF_WIDTH) crown(call, part);
}

static void inputOf(const InputCall& call) {
  for (int part = 0; part < kLanes; part += PROOF_WIDTH) (call.own ? input<true> : input<false>)(call, part);
}

static void splitOf(const SplitCall& call) {
  for (int part = 0; part < kLanes; part += PROOF_WIDTH) (call.own ? split<true> : split<false>)(call, part);
}

static void squaresOf(int features, const double* x, double* sums) {
  for (int part = 0; part < kLanes; part += PROOF_WIDTH) squares(features, part, x, sums);
}

static void weighOf(int features, bool own, const double* g, const double* bias, const double* weight,
                    double* sum, double* magnitude) {
  for (int part = 0; part < kLanes; part += PROOF_WIDTH)
    (own ? weigh<true> : weigh<false>)(features, part, g, bias, weight, sum, magnitude);
}

static void accumulateOf(int features, bool own, const double* from, double* into, const double* weight,
                         double* magnitude) {
  for (int part = 0; part < kLanes; part += PROOF_WIDTH)
    (own ? accumulate<true> : accumulate<false>)(features, part, from, into, weight, magnitude);
}

const KernelTable table = {productOf, mixedProductOf, planesOf, spreadOf,  boxOf,   reachOf,     reluOf,
                           crownOf,   inputOf,        splitOf,  squaresOf, weighOf, accumulateOf};
