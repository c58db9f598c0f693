// Part of kernels.inl: boxes of one image, with its features in lanes. Each step is one of facts.cc's,
// rounded to the safe side by rounding.h's margins, which allow for fused products.

PROOF_INLINE V larger(V a, V b) { return a < b ? b : a; }
PROOF_INLINE V margin(V x) { return absolute(x) * 0x1p-52 + kTiny; }
PROOF_INLINE V above(V x) { return x + margin(x); }
PROOF_INLINE V below(V x) { return x - margin(x); }
PROOF_INLINE V up(V x) { return x * kUp + 64 * kTiny; }

/// Features from `first` on: a whole vector, or what is left for the last one, with 0 in the other lanes, of
/// which nothing below comes to more than underflow.
template <bool whole>
struct Features {
  int first, count;

  V read(const double* values) const {
    if (whole) return load(values + first);
    V x{};
    for (int lane = 0; lane < count; ++lane) x[lane] = values[first + lane];
    return x;
  }
  V readMixed(const double* values) const {
    const double* at = values + static_cast<int64_t>(first) * kMixedLanes;
    V x{};
    for (int lane = 0; lane < (whole ? PROOF_WIDTH : count); ++lane, at += kMixedLanes) x[lane] = *at;
    return x;
  }
  void writeMixed(double* values, V x) const {
    double* at = values + static_cast<int64_t>(first) * kMixedLanes;
    for (int lane = 0; lane < (whole ? PROOF_WIDTH : count); ++lane, at += kMixedLanes) *at = x[lane];
  }
  void write(double* values, V x) const {
    if (whole) return store(values + first, x);
    for (int lane = 0; lane < count; ++lane) values[first + lane] = x[lane];
  }
};

/// Calls body for all features.
template <class Body>
PROOF_INLINE void eachFeature(int features, const Body& body) {
  int first = 0;
  for (; first + PROOF_WIDTH <= features; first += PROOF_WIDTH) body(Features<true>{first, PROOF_WIDTH});
  if (first < features) body(Features<false>{first, features - first});
}

PROOF_INLINE double sumOf(V x) {
  double sum = 0;
  for (int lane = 0; lane < PROOF_WIDTH; ++lane) sum += x[lane];
  return sum;
}
PROOF_INLINE double largestOf(V x) {
  double most = 0;
  for (int lane = 0; lane < PROOF_WIDTH; ++lane) most = x[lane] > most ? x[lane] : most;
  return most;
}
/// Where the lanes are 0 or all bits set.
PROOF_INLINE bool none(Mask bad) {
  int64_t any = 0;
  for (int lane = 0; lane < PROOF_WIDTH; ++lane) any |= bad[lane];
  return any == 0;
}

static void spreadOf(const SpreadCall& call) {
  eachFeature(call.features, [&](const auto& at) __attribute__((always_inline)) {
    const V lower = at.read(call.lower), upper = at.read(call.upper);
    const V middle = 0.5 * lower + 0.5 * upper, radius = larger(upper - middle, middle - lower);
    at.writeMixed(call.nominal, at.read(call.zhat));
    at.writeMixed(call.middle, middle);
    at.writeMixed(call.radius, radius > 0 ? above(radius) : V{});  // subnormal numbers would be slow
    at.writeMixed(call.outer, larger(at.read(call.magnitude), absolute(middle)));
  });
}

static void boxOf(const BoxCall& call) {
  V squares{};
  Mask bad{};
  const double twice = 1 + 2 * call.rounding;
  eachFeature(call.features, [&](const auto& at) __attribute__((always_inline)) {
    const V bias = call.bias ? at.read(call.bias) : V{};
    const V m = up((at.readMixed(call.magnitude) + absolute(bias)) * twice + call.tiny);
    bad |= ~(m < call.largest);
    const V inference = call.floatRounding * m + call.floatTiny;
    const V e = up(call.rounding * m + inference + call.tiny);
    const V nominal = at.readMixed(call.nominal) + bias, middle = at.readMixed(call.middle) + bias;
    const V radius = up(at.readMixed(call.radius) * twice + call.tiny + e);
    V row = at.read(call.rowNorm) * call.rho;
    if (call.rowMax) row += at.read(call.rowMax) * call.entry;
    const V drift = up(at.read(call.ownNorm) * call.driftBefore + e);
    V down = up(row + drift), rising = down;
    if (call.fall) {
      const V fallen = above(drift - at.read(call.fall)), risen = above(drift + at.read(call.rise));
      down = smaller(fallen, down);
      rising = smaller(risen, rising);
    }
    at.write(call.zhat, nominal);
    at.write(call.loss, up(call.losing * m + inference + call.tiny));
    at.write(call.lower, below(larger(middle - radius, nominal - down)));
    at.write(call.upper, above(smaller(nominal + rising, middle + radius)));
    squares += e * e;
  });
  *call.squares = sumOf(squares);
  *call.usable = none(bad);
}

static void reachOf(const ReachCall& call) {
  V largestMagnitude{}, largestReach{};
  Mask bad{};
  eachFeature(call.features, [&](const auto& at) __attribute__((always_inline)) {
    const V lower = at.read(call.lower), upper = at.read(call.upper);
    const V box = larger(absolute(lower), absolute(upper)), nominal = absolute(at.read(call.zhat));
    bad |= ~(lower <= upper) | ~(box < __builtin_inf()) | ~(nominal < __builtin_inf());
    const V magnitude = larger(box, nominal);
    at.write(call.magnitude, magnitude);
    largestMagnitude = larger(largestMagnitude, magnitude);
    if (!call.reach) return;
    const V reach = above(box + nominal);
    at.write(call.reach, reach);
    largestReach = larger(largestReach, reach);
  });
  *call.largestMagnitude = largestOf(largestMagnitude);
  *call.largestReach = largestOf(largestReach);
  *call.usable = none(bad);
}
