// Included once per instruction set, with PROOF_WIDTH doubles to a vector. Nothing from std:: may be
// instantiated here: the linker would keep one copy for the whole program.
//
// The rigorous minimum. On a piece [lo, hi] of a neuron's box the objective, without constants, is the convex
//     q(z) = a z + lambda / 2 (z - zhat)^2,        a = k c - v,  k = 1 where z >= 0 and 0 where z <= 0.
// For whatever z0 in [lo, hi] its tangent lies below it, so
//     min q >= q(z0) + min(d (lo - z0), d (hi - z0)),        d = a + lambda (z0 - zhat).
// z0 is the clipped stationary point as computed: if interior, d is rounding noise; if clipped, the tangent
// term is 0. With t = z0 - zhat, b = lambda t, R = max(|lower|, |upper|) + |zhat| >= |z0|, |t|, (hi - lo) / 2
// and M = R (|c| + |v| + |b|), rounding (v may also be used before its rounding, fused into a) changes
//     a z0 by 3 u M,  b t / 2 by 2 u M,  d (. - z0) by 2 R * 3 u (|a| + |b|) + 4 u M = 10 u M,
// and the two sums of terms, at most 3.5 M together, by 7 u M: 22 u M in all, and the result is at most 4 M.
// The caller gets the sums of the results and of M, and subtracts what rounding can have added.
//
// Where a layer pays m for later balls (chain.h), the objective has (lambda + m) / 2 (z - zhat)^2 - m / 2
// (relu(z) - relu(zhat))^2 in place of its last term. With n = min(zhat, 0) and p = max(zhat, 0) that is
//     z >= 0:  lambda / 2 (z - zhat)^2 - m n z + m n^2 / 2,    z <= 0:  (lambda + m) / 2 (z - zhat)^2 - m p^2
//     / 2,
// convex again; for z <= 0 any factor below lambda + m gives a smaller value. M gets 2 m |zhat| R more. Then
// a - m n is off by 3 u M / R, so the roundings above become 4 u M, 2 u M and 2 R * 4 u M / R + 4 u M = 12 u
// M; the constant, at most M / 4, has 1 u M; and the three sums of terms, at most 4 M together, have 12 u M:
// 31 u M.

#define PROOF_INLINE static inline __attribute__((always_inline))

template <int width>
struct Vector {
  typedef double type __attribute__((vector_size(width * 8)));
  typedef int64_t mask __attribute__((vector_size(width * 8)));
};

template <class V>
PROOF_INLINE V load(const double* p) {
  V x;
  __builtin_memcpy(&x, p, sizeof x);  // at any address
  return x;
}
template <class V>
PROOF_INLINE void store(double* p, V x) {
  __builtin_memcpy(p, &x, sizeof x);
}
template <class V>
PROOF_INLINE V spread(double x) {
  return x - V{};
}
template <class V>
PROOF_INLINE V absolute(V x) {
  return x < 0 ? -x : x;  // keeps NaN
}
template <class V>
PROOF_INLINE V smaller(V a, V b) {
  return a < b ? a : b;
}
template <class V>
PROOF_INLINE void addTo(double* p, V x) {
  store(p, load<V>(p) + x);
}

// --- products ---

/// `parts` vectors of lanes; sums of even and odd terms apart, so that additions need not wait.
template <int width, int parts, bool mixed>
static void product(const ProductCall& call) {
  typedef typename Vector<width>::type V;
  typedef typename Vector<width>::mask Mask;
  constexpr int lanes = width * parts;
  // What a lane keeps of a weight's bits.
  const int64_t bits[] = {-1, -1, INT64_MAX, INT64_MAX};
  Mask keep[parts];
  for (int p = 0; p < parts && mixed; ++p) __builtin_memcpy(&keep[p], bits + p * width, sizeof keep[p]);
  const auto weightOf = [&](const double* weight, int part) __attribute__((always_inline)) -> V {
    const V w = spread<V>(*weight);
    return mixed ? reinterpret_cast<V>(reinterpret_cast<Mask>(w) & keep[part]) : w;
  };
  for (int i = 0; i < call.tileCount; ++i) {
    const Tile& tile = call.tiles[i];
    V even[kTile][parts] = {}, odd[kTile][parts] = {};
    for (int s = tile.segment; s < tile.segment + tile.segmentCount; ++s) {
      const Segment& segment = call.segments[s];
      const double* in = call.in + static_cast<int64_t>(tile.in + segment.in) * lanes;
      const double* weight = call.weights + (tile.weights + segment.weights) * kTile;
      int k = 0;
      for (; k + 2 <= segment.length; k += 2, in += 2 * lanes, weight += 2 * kTile) {
        for (int p = 0; p < parts; ++p) {
          const V x = load<V>(in + p * width), y = load<V>(in + lanes + p * width);
          for (int m = 0; m < kTile; ++m) {
            even[m][p] += weightOf(weight + m, p) * x;
            odd[m][p] += weightOf(weight + kTile + m, p) * y;
          }
        }
      }
      if (k < segment.length) {
        for (int p = 0; p < parts; ++p) {
          const V x = load<V>(in + p * width);
          for (int m = 0; m < kTile; ++m) even[m][p] += weightOf(weight + m, p) * x;
        }
      }
    }
    double* out = call.out + static_cast<int64_t>(tile.out) * lanes;
    for (int m = 0; m < kTile; ++m) {
      if (m == tile.outputs) break;
      for (int p = 0; p < parts; ++p) store(out + m * lanes + p * width, even[m][p] + odd[m][p]);
    }
  }
}

static void productOf(const ProductCall& call, int lanes) {
  constexpr int four = PROOF_WIDTH < 4 ? PROOF_WIDTH : 4;
  if (lanes == 8) {
    product<PROOF_WIDTH, 8 / PROOF_WIDTH, false>(call);
  } else {
    product<four, 4 / four, false>(call);
  }
}

static void mixedProductOf(const ProductCall& call) {
  constexpr int four = PROOF_WIDTH < 4 ? PROOF_WIDTH : 4;
  product<four, 4 / four, true>(call);
}

// --- minima ---

/// The bound on min q over [lo, hi], and |b|.
template <class V>
PROOF_INLINE V quadratic(V a, V lambda, V inverse, V zhat, V lo, V hi, V& bent) {
  V z = zhat - a * inverse;
  z = z >= lo ? (z <= hi ? z : hi) : lo;  // lo for NaN
  const V t = z - zhat, b = lambda * t, d = a + b;
  bent += absolute(b);
  return a * z + 0.5 * b * t + smaller(d * (lo - z), d * (hi - z));
}

template <class V>
PROOF_INLINE V atLeastZero(V x) {
  return x > 0 ? x : V{};
}
template <class V>
PROOF_INLINE V atMostZero(V x) {
  return x < 0 ? x : V{};
}

/// The balls at a neuron's layer, lane by lane.
template <class V>
struct Balls {
  V lambda, inverse, payment, stiff, stiffInverse;
};

/// The piece z >= 0 of a neuron with c - v = tilt.
template <bool pays, class V>
PROOF_INLINE V rising(const Balls<V>& balls, V tilt, V zhat, V lo, V hi, V& bent) {
  if (!pays) return quadratic(tilt, balls.lambda, balls.inverse, zhat, lo, hi, bent);
  const V n = atMostZero(zhat), paid = balls.payment * n;
  return quadratic(tilt - paid, balls.lambda, balls.inverse, zhat, lo, hi, bent) + 0.5 * paid * n;
}

/// The piece z <= 0, where the ReLU is 0; tilt = -v.
template <bool pays, class V>
PROOF_INLINE V resting(const Balls<V>& balls, V tilt, V zhat, V lo, V hi, V& bent) {
  if (!pays) return quadratic(tilt, balls.lambda, balls.inverse, zhat, lo, hi, bent);
  const V p = atLeastZero(zhat);
  return quadratic(tilt, balls.stiff, balls.stiffInverse, zhat, lo, hi, bent) - 0.5 * balls.payment * p * p;
}

/// Any box; a piece that it does not reach is computed and left.
template <bool pays, class V>
PROOF_INLINE V neuron(const Balls<V>& balls, V c, V v, V zhat, V lower, V upper, V& bent) {
  const V positive = rising<pays>(balls, c - v, zhat, atLeastZero(lower), upper, bent);
  const V negative = resting<pays>(balls, -v, zhat, lower, atMostZero(upper), bent);
  return lower > 0 ? positive : (upper < 0 ? negative : smaller(positive, negative));
}

template <int width, bool pays>
static void relu(const ReluCall& call, int part) {
  typedef typename Vector<width>::type V;
  Balls<V> balls{load<V>(call.lambda + part), load<V>(call.inverse + part), {}, {}, {}};
  if (pays) {
    balls.payment = load<V>(call.payment + part);
    balls.stiff = load<V>(call.stiff + part);
    balls.stiffInverse = load<V>(call.stiffInverse + part);
  }
  V total{}, totalMagnitude{};
  int split = 0;
  for (int begin = 0; begin < call.features; begin += kChunk) {
    const int end = call.features - begin < kChunk ? call.features : begin + kChunk;
    V sum{}, magnitude{};
    for (int i = begin; i < end; ++i) {
      const int64_t at = static_cast<int64_t>(i) * call.lanes + part;
      const V c = load<V>(call.c + at);
      V slope;
      for (int lane = 0; lane < width; ++lane) slope[lane] = call.slope[part + lane][i];
      const V v = slope * c;
      store(call.v + at, v);
      const V zhat = spread<V>(call.zhat[i]), lower = spread<V>(call.lower[i]),
              upper = spread<V>(call.upper[i]);
      V bent{};
      if (pays) bent += 2 * balls.payment * absolute(zhat);
      if (split < call.splitCount && call.splits[split].feature == i) {
        const SplitBox& box = call.splits[split++];
        sum += neuron<pays>(balls, c, v, zhat, load<V>(box.lower + part), load<V>(box.upper + part), bent);
      } else if (call.lower[i] >= 0) {
        sum += rising<pays>(balls, c - v, zhat, lower, upper, bent);
      } else if (call.upper[i] <= 0) {
        sum += resting<pays>(balls, -v, zhat, lower, upper, bent);
      } else {
        const V positive = rising<pays>(balls, c - v, zhat, V{}, upper, bent);
        sum += smaller(positive, resting<pays>(balls, -v, zhat, lower, V{}, bent));
      }
      magnitude += call.reach[i] * (absolute(c) + absolute(v) + bent);
    }
    total += sum;
    totalMagnitude += magnitude;
  }
  addTo(call.sum + part, total);
  addTo(call.magnitude + part, totalMagnitude);
}

template <int width>
static void input(const InputCall& call, int part) {
  typedef typename Vector<width>::type V;
  const V lambda = load<V>(call.lambda + part), inverse = load<V>(call.inverse + part);
  V boxed{}, boxedMagnitude{}, linear{}, linearMagnitude{}, squares{}, largest{};
  for (int begin = 0; begin < call.features; begin += kChunk) {
    const int end = call.features - begin < kChunk ? call.features : begin + kChunk;
    V sum{}, magnitude{}, product{}, productMagnitude{}, square{};
    for (int i = begin; i < end; ++i) {
      const V g = load<V>(call.g + static_cast<int64_t>(i) * call.lanes + part), size = absolute(g);
      V bent{};
      sum += quadratic(g, lambda, inverse, spread<V>(call.center[i]), spread<V>(call.lower[i]),
                       spread<V>(call.upper[i]), bent);
      magnitude += call.reach[i] * (size + bent);
      product += call.center[i] * g;
      productMagnitude += (call.center[i] < 0 ? -call.center[i] : call.center[i]) * size;
      square += g * g;
      largest = size > largest ? size : largest;
    }
    boxed += sum;
    boxedMagnitude += magnitude;
    linear += product;
    linearMagnitude += productMagnitude;
    squares += square;
  }
  store(call.boxed + part, boxed);
  store(call.boxedMagnitude + part, boxedMagnitude);
  store(call.linear + part, linear);
  store(call.linearMagnitude + part, linearMagnitude);
  store(call.squares + part, squares);
  store(call.largest + part, largest);
}

// --- sums ---

template <int width>
static void weigh(int features, int lanes, int part, const double* g, const double* bias,
                  const double* weight, double* sums, double* magnitudes) {
  typedef typename Vector<width>::type V;
  V total{}, totalMagnitude{};
  for (int begin = 0; begin < features; begin += kChunk) {
    const int end = features - begin < kChunk ? features : begin + kChunk;
    V sum{}, magnitude{};
    for (int i = begin; i < end; ++i) {
      const V x = load<V>(g + static_cast<int64_t>(i) * lanes + part);
      if (bias) sum += bias[i] * x;
      if (weight) magnitude += weight[i] * absolute(x);
    }
    total += sum;
    totalMagnitude += magnitude;
  }
  addTo(sums + part, total);
  addTo(magnitudes + part, totalMagnitude);
}

template <int width>
static void accumulate(int features, int lanes, int part, const double* from, double* into,
                       const double* weight, double* magnitudes) {
  typedef typename Vector<width>::type V;
  V total{};
  for (int i = 0; i < features; ++i) {
    const int64_t at = static_cast<int64_t>(i) * lanes + part;
    const V x = load<V>(from + at), sum = load<V>(into + at) + x;
    store(into + at, sum);
    total += weight[i] * (absolute(sum) + absolute(x));
  }
  addTo(magnitudes + part, total);
}

/// Calls body.template operator()<width>(first lane) for every vector of lanes.
template <class Body>
PROOF_INLINE void eachPart(int lanes, const Body& body) {
  constexpr int four = PROOF_WIDTH < 4 ? PROOF_WIDTH : 4;
  if (lanes == 8) {
    for (int part = 0; part < 8; part += PROOF_WIDTH) body.template operator()<PROOF_WIDTH>(part);
  } else {
    for (int part = 0; part < 4; part += four) body.template operator()<four>(part);
  }
}

static void reluOf(const ReluCall& call) {
  eachPart(call.lanes,
           [&]<int width>(int part) { (call.payment ? relu<width, true> : relu<width, false>)(call, part); });
}

static void inputOf(const InputCall& call) {
  eachPart(call.lanes, [&]<int width>(int part) { input<width>(call, part); });
}

static void weighOf(int features, int lanes, const double* g, const double* bias, const double* weight,
                    double* sum, double* magnitude) {
  eachPart(lanes, [&]<int width>(int part) {
    weigh<width>(features, lanes, part, g, bias, weight, sum, magnitude);
  });
}

static void accumulateOf(int features, int lanes, const double* from, double* into, const double* weight,
                         double* magnitude) {
  eachPart(lanes, [&]<int width>(int part) {
    accumulate<width>(features, lanes, part, from, into, weight, magnitude);
  });
}

const KernelTable table = {productOf, mixedProductOf, reluOf, inputOf, weighOf, accumulateOf};
