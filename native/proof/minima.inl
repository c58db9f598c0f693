// Part of kernels.inl: minima over boxes, and their sums.
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
//
// A lane's bits must not depend on how the others' facts are stored. So no sum has two products, of which the
// compiler could fuse one or the other into it, and what it could compute ahead of a branch passes a
// selection first, so that it is never fused.

/// The bound on min q over [lo, hi], and |b|.
PROOF_INLINE V quadratic(V a, V lambda, V inverse, V zhat, V lo, V hi, V& bent) {
  V z = zhat - a * inverse;
  z = z >= lo ? (z <= hi ? z : hi) : lo;  // lo for NaN
  const V t = z - zhat, b = lambda * t, d = a + b;
  bent = absolute(b);
  return a * z + (0.5 * b * t + smaller(d * (lo - z), d * (hi - z)));
}

PROOF_INLINE V atLeastZero(V x) { return x > 0 ? x : V{}; }
PROOF_INLINE V atMostZero(V x) { return x < 0 ? x : V{}; }

/// The balls at a neuron's layer, lane by lane.
struct Balls {
  V lambda, inverse, payment, stiff, stiffInverse;
};

template <bool pays>
PROOF_INLINE Balls ballsAt(const ReluBalls& of, int64_t at) {
  if (!pays) return Balls{load(of.lambda + at), load(of.inverse + at), V{}, V{}, V{}};
  return Balls{load(of.lambda + at), load(of.inverse + at), load(of.payment + at), load(of.stiff + at),
               load(of.stiffInverse + at)};
}

/// The piece z >= 0 of a neuron with c - v = tilt.
template <bool pays>
PROOF_INLINE V rising(const Balls& balls, V tilt, V zhat, V lo, V hi, V& bent) {
  if (!pays) return quadratic(tilt, balls.lambda, balls.inverse, zhat, lo, hi, bent);
  const V paid = zhat < 0 ? balls.payment * zhat : V{};
  const V constant = zhat < 0 ? 0.5 * balls.payment * (zhat * zhat) : V{};
  return quadratic(tilt - paid, balls.lambda, balls.inverse, zhat, lo, hi, bent) + constant;
}

/// The piece z <= 0, where the ReLU is 0; tilt = -v.
template <bool pays>
PROOF_INLINE V resting(const Balls& balls, V tilt, V zhat, V lo, V hi, V& bent) {
  if (!pays) return quadratic(tilt, balls.lambda, balls.inverse, zhat, lo, hi, bent);
  const V constant = zhat > 0 ? 0.5 * balls.payment * (zhat * zhat) : V{};
  return quadratic(tilt, balls.stiff, balls.stiffInverse, zhat, lo, hi, bent) - constant;
}

/// A neuron whose box differs from lane to lane: a piece that a box does not reach is computed and left, so
/// that lanes get the bits that they get where one box serves all.
template <bool pays>
PROOF_INLINE V neuron(const Balls& balls, V c, V v, V zhat, V lower, V upper, V& bent) {
  V up, down;
  const V positive = rising<pays>(balls, c - v, zhat, atLeastZero(lower), upper, up);
  const V negative = resting<pays>(balls, -v, zhat, lower, atMostZero(upper), down);
  bent = lower >= 0 ? up : (upper <= 0 ? down : up + down);
  return lower >= 0 ? positive : (upper <= 0 ? negative : smaller(positive, negative));
}

/// The same where one box serves all lanes.
template <bool pays>
PROOF_INLINE V neuron(const Balls& balls, V c, V v, V zhat, double lower, double upper, V& bent) {
  if (lower >= 0) return rising<pays>(balls, c - v, zhat, spread(lower), spread(upper), bent);
  if (upper <= 0) return resting<pays>(balls, -v, zhat, spread(lower), spread(upper), bent);
  V up, down;
  const V positive = rising<pays>(balls, c - v, zhat, V{}, spread(upper), up);
  const V negative = resting<pays>(balls, -v, zhat, spread(lower), V{}, down);
  bent = up + down;
  return smaller(positive, negative);
}

template <bool pays, bool own, bool weighted>
static void relu(const ReluCall& call, int part) {
  Balls balls = ballsAt<pays>(call.balls, part);
  V total{}, totalMagnitude{};
  int split = 0;
  for (int begin = 0; begin < call.features; begin += kChunk) {
    const int end = call.features - begin < kChunk ? call.features : begin + kChunk;
    V sum{}, magnitude{};
    for (int i = begin; i < end; ++i) {
      const int64_t at = static_cast<int64_t>(i) * kLanes + part;
      if (weighted) balls = ballsAt<pays>(call.balls, at);
      const V c = load(call.c + at);
      V slope;
      for (int lane = 0; lane < PROOF_WIDTH; ++lane) slope[lane] = call.slope[part + lane][i];
      const V v = slope * c;
      store(call.v + at, v);
      const V zhat = fact<own>(call.zhat, i, part);
      V bent;
      if (own) {
        sum += neuron<pays>(balls, c, v, zhat, fact<own>(call.lower, i, part), fact<own>(call.upper, i, part),
                            bent);
      } else if (split < call.splitCount && call.splits[split].feature == i) {
        const SplitBox& box = call.splits[split++];
        sum += neuron<pays>(balls, c, v, zhat, load(box.lower + part), load(box.upper + part), bent);
      } else {
        sum += neuron<pays>(balls, c, v, zhat, call.lower[i], call.upper[i], bent);
      }
      if (pays) bent += 2 * balls.payment * absolute(zhat);
      magnitude += fact<own>(call.reach, i, part) * (absolute(c) + absolute(v) + bent);
    }
    total += sum;
    totalMagnitude += magnitude;
  }
  addTo(call.sum + part, total);
  addTo(call.magnitude + part, totalMagnitude);
}

/// A minimum lies at an end or at the kink. Two products and their factors are off by less than the 22 u M
/// above.
static void crown(const CrownCall& call, int part) {
  V total{}, totalMagnitude{};
  for (int begin = 0; begin < call.features; begin += kChunk) {
    const int end = call.features - begin < kChunk ? call.features : begin + kChunk;
    V sum{}, magnitude{};
    for (int i = begin; i < end; ++i) {
      double* at = call.c + static_cast<int64_t>(i) * kLanes + part;
      const V c = load(at);
      const V v = (c < 0 ? spread(call.slopeBelow[i]) : spread(call.slopeAbove[i])) * c;
      store(at, v);
      sum += atMostZero(smaller(-v * call.lower[i], (c - v) * call.upper[i]));
      magnitude += call.reach[i] * (absolute(c) + absolute(v));
    }
    total += sum;
    totalMagnitude += magnitude;
  }
  addTo(call.sum + part, total);
  addTo(call.magnitude + part, totalMagnitude);
}

template <bool own>
static void input(const InputCall& call, int part) {
  const V lambda = load(call.lambda + part), inverse = load(call.inverse + part);
  V boxed{}, boxedMagnitude{}, linear{}, linearMagnitude{}, squares{}, largest{};
  for (int begin = 0; begin < call.features; begin += kChunk) {
    const int end = call.features - begin < kChunk ? call.features : begin + kChunk;
    V sum{}, magnitude{}, product{}, productMagnitude{}, square{};
    for (int i = begin; i < end; ++i) {
      const V g = load(call.g + static_cast<int64_t>(i) * kLanes + part), size = absolute(g);
      const V center = fact<own>(call.center, i, part);
      V bent;
      sum += quadratic(g, lambda, inverse, center, fact<own>(call.lower, i, part),
                       fact<own>(call.upper, i, part), bent);
      magnitude += fact<own>(call.reach, i, part) * (size + bent);
      product += center * g;
      productMagnitude += absolute(center) * size;
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

template <bool own>
static void split(const SplitCall& call, int part) {
  const V lambda = load(call.lambda + part), inverse = load(call.inverse + part);
  V linear{}, ends{}, totalMagnitude{};
  for (int begin = 0; begin < call.features; begin += kChunk) {
    const int end = call.features - begin < kChunk ? call.features : begin + kChunk;
    V product{}, sum{}, magnitude{};
    for (int i = begin; i < end; ++i) {
      const int64_t at = static_cast<int64_t>(i) * kLanes + part;
      const V g = load(call.g + at), center = fact<own>(call.center, i, part);
      V mine = g;
      if (call.clipped) {
        const V low = fact<own>(call.lower, i, part) - center, high = fact<own>(call.upper, i, part) - center;
        const V stationary = -g * inverse;
        const V point = stationary > low ? (stationary < high ? stationary : high) : low;
        mine = point == stationary ? g : -lambda * point;
        const V rest = g - mine;
        sum += smaller(rest * low, rest * high);
      }
      store(call.part + at, mine);
      product += g * center;
      magnitude += (absolute(g) + absolute(mine)) * fact<own>(call.reach, i, part);
    }
    linear += product;
    ends += sum;
    totalMagnitude += magnitude;
  }
  store(call.linear + part, linear + ends);
  store(call.magnitude + part, totalMagnitude);
}

static void squares(int features, int part, const double* x, double* sums) {
  V even{}, odd{};
  int i = 0;
  for (; i + 2 <= features; i += 2) {
    const V a = load(x + static_cast<int64_t>(i) * kLanes + part);
    const V b = load(x + static_cast<int64_t>(i + 1) * kLanes + part);
    even += a * a;
    odd += b * b;
  }
  if (i < features) {
    const V a = load(x + static_cast<int64_t>(i) * kLanes + part);
    even += a * a;
  }
  store(sums + part, even + odd);
}
