// One ReLU layer of the dual. In deviations, with the kink of the ReLU at dz = -zhat,
//
//   phi = min over lower <= dz <= upper of  c (relu(zhat + dz) - relu(zhat)) - v dz + lambda / 2 dz^2
//
// is the smaller of two parabolas, one on each side of the kink:
//   dz >= -zhat:  (c - v) dz + lambda / 2 dz^2 + c min(zhat, 0),  stationary at (v - c) / lambda
//   dz <= -zhat:       - v dz + lambda / 2 dz^2 - c max(zhat, 0),  stationary at v / lambda
//
// A layer that pays m for later balls has (lambda + m) / 2 dz^2 - m / 2 (relu(zhat + dz) - relu(zhat))^2
// instead. With n = min(zhat, 0) and p = max(zhat, 0), that is
//   dz >= -zhat:  lambda / 2 dz^2 - m n dz - m / 2 n^2,        dz <= -zhat:  (lambda + m) / 2 dz^2 - m / 2
//   p^2

/// The slope that turns c into v where the rule is `box`.
BULWARK_INLINE vec boxSlope(vec zhat, vec lower, vec upper, vec c, vec chosen) {
  const vec zero{};
  const vec l = zhat + lower, u = zhat + upper;
  vec slope = c < zero ? u / (u - l) : chosen;
  slope = u <= zero ? zero : slope;
  return l >= zero ? spread(1.0f) : slope;
}

/// The slope where the rule is `free`. Rows without a ball (`boxed`) follow the box rule, which is where
/// their best slopes lie, but for neurons whose box ends at the kink: there, on one side of a split, v is
/// free.
BULWARK_INLINE ivec followsBox(ivec boxed, vec zhat, vec lower, vec upper) {
  const vec zero{};
  return boxed & (zhat + lower != zero) & (zhat + upper != zero);
}

/// The slope that turns c into v. Rows without a ball are `boxed`.
template <bool free>
BULWARK_INLINE vec slopeInEffect(ivec boxed, vec zhat, vec lower, vec upper, vec c, vec chosen) {
  const vec slope = boxSlope(zhat, lower, upper, c, chosen);
  return free ? (followsBox(boxed, zhat, lower, upper) ? slope : chosen) : slope;
}

/// CROWN's choice for an unstable neuron with c >= 0: the line with the smaller area.
BULWARK_INLINE vec crownChoice(vec zhat, vec lower, vec upper) {
  const vec zero{};
  return zhat + upper > -(zhat + lower) ? spread(1.0f) : zero;
}

template <bool free>
static void freshSlopes(const ReluLayer& layer, View c, const uint8_t* fresh, int block) {
  const size_t base = block * blockFloats(c);
  for (int part = 0; part < kLanes; part += kWidth) {
    ivec chosen;
    for (int i = 0; i < kWidth; ++i) chosen[i] = fresh[block * kLanes + part + i] ? -1 : 0;
    size_t at = base + part;
    for (int i = 0; i < c.features; ++i, at += kLanes) {
      const vec zhat = load(layer.zhat.data + at), lower = load(layer.lower.data + at);
      const vec upper = load(layer.upper.data + at);
      // Under `box` the slope array holds the choice for c >= 0; the chord is computed where it is used.
      const vec sign = free ? load(c.data + at) : vec{};
      const vec slope = boxSlope(zhat, lower, upper, sign, crownChoice(zhat, lower, upper));
      store(layer.slope.data + at, chosen ? slope : load(layer.slope.data + at));
    }
  }
}

template <bool free, bool boundless, bool pays>
static void reluDualBlock(const ReluLayer& layer, View c, View v, View dz, int block, double* value,
                          float* distance2) {
  const vec zero{}, notANumber = spread(__builtin_nanf(""));
  const size_t base = block * blockFloats(c);
  double squares[kLanes] = {}, values[kLanes] = {}, passes[kLanes] = {};
  for (int begin = 0; begin < c.features; begin += kChunk) {
    const int end = chunkEnd(begin, c.features);
    for (int part = 0; part < kLanes; part += kWidth) {
      const vec lambda = load(layer.lambda.data + block * kLanes + part);
      const vec half = 0.5f * lambda;
      // With lambda = 0 a huge factor sends the stationary point to an end of its interval, and 0 to 0.
      const ivec boxed = lambda == zero;
      const bool anyBoxed = free && anyOf(boxed);
      const vec inverse = lambda > zero ? atMost(1.0f / lambda, spread(kLargest)) : spread(kLargest);
      const vec payment = pays ? load(layer.payment.data + block * kLanes + part) : zero;
      const vec leftLambda = lambda + payment;
      const vec leftHalf = pays ? 0.5f * leftLambda : half;
      const vec leftInverse =
          pays ? (leftLambda > zero ? atMost(1.0f / leftLambda, spread(kLargest)) : spread(kLargest))
               : inverse;
      vec sum{}, square{}, pass{};
      size_t at = base + static_cast<size_t>(begin) * kLanes + part;
      for (int i = begin; i < end; ++i, at += kLanes) {
        const vec zhat = load(layer.zhat.data + at), gain = load(c.data + at);
        const vec lower = load(layer.lower.data + at), upper = load(layer.upper.data + at);
        const vec chosen = load(layer.slope.data + at);
        const vec slope =
            !free || anyBoxed ? slopeInEffect<free>(boxed, zhat, lower, upper, gain, chosen) : chosen;
        const vec signal = slope * gain;

        const vec floor = boundless ? -zhat : atLeast(lower, -zhat);
        const vec cap = boundless ? -zhat : atMost(upper, -zhat);
        const vec paid = payment * atMost(zhat, zero);
        const vec tilt = pays ? gain - signal - paid : gain - signal;
        const vec right = boundless ? atLeast(-tilt * inverse, floor) : clamp(-tilt * inverse, floor, upper);
        const vec left = boundless ? atMost(signal * inverse, cap) : clamp(signal * leftInverse, lower, cap);
        vec phi = (tilt + half * right) * right + gain * atMost(zhat, zero);
        vec other = (leftHalf * left - signal) * left - gain * atLeast(zhat, zero);
        if (pays) {
          const vec positive = atLeast(zhat, zero);
          phi -= 0.5f * paid * atMost(zhat, zero);
          other -= 0.5f * payment * positive * positive;
        }
        vec point = right;
        if (boundless) {
          const ivec pick = other < phi;
          phi = pick ? other : phi;
          point = pick ? left : point;
        } else {
          // One side is empty where the box does not reach the kink; the side of dz = 0 never is.
          const ivec pick = (floor > upper) | ((other < phi) & ~(lower > cap));
          phi = pick ? other : phi;
          point = pick ? left : point;
          phi = lower <= upper ? phi : notANumber;
        }
        store(v.data + at, signal);
        store(dz.data + at, point);
        sum += phi;
        square += point * point;
        if (pays) {
          const vec change = reluChange(zhat, point);
          pass += change * change;
        }
      }
      addTo(values + part, sum);
      addTo(squares + part, square);
      if (pays) addTo(passes + part, pass);
    }
  }
  for (int lane = 0; lane < kLanes; ++lane) {
    value[lane] = values[lane];
    distance2[lane] = static_cast<float>(squares[lane]);
    if (pays) layer.passed2.data[block * kLanes + lane] = static_cast<float>(passes[lane]);
  }
}

static void reluDual(const ReluLayer& layer, View c, const uint8_t* fresh, View v, View dz, Sums value,
                     Rows distance2) {
  const bool free = layer.rule == SlopeRule::free;
  const bool pays = layer.payment.data != nullptr;
  const auto evaluate =
      free ? (layer.boundless ? reluDualBlock<true, true, false>
              : pays          ? reluDualBlock<true, false, true>
                              : reluDualBlock<true, false, false>)
           : (layer.boundless ? reluDualBlock<false, true, false> : reluDualBlock<false, false, false>);
  for (int block = 0; block < c.blocks; ++block) {
    bool any = false;
    if (fresh)
      for (int lane = 0; lane < kLanes; ++lane) any = any || fresh[block * kLanes + lane];
    if (any) (free ? freshSlopes<true> : freshSlopes<false>)(layer, c, fresh, block);
    evaluate(layer, c, v, dz, block, value.data + block * kLanes, distance2.data + block * kLanes);
  }
}

template <bool free>
static void reluAscendBlock(const ReluLayer& layer, View y, View dz, View c, const Adam& adam, int block) {
  const vec zero{}, one = spread(1.0f);
  const float keep1 = adam.beta1, keep2 = adam.beta2, new1 = 1.0f - keep1, new2 = 1.0f - keep2;
  for (int begin = 0; begin < c.features; begin += kChunk) {
    const int end = chunkEnd(begin, c.features);
    for (int part = 0; part < kLanes; part += kWidth) {
      const vec step = load(adam.step.data + block * kLanes + part);
      const vec correction = load(adam.correction.data + block * kLanes + part);
      const ivec boxed = load(layer.lambda.data + block * kLanes + part) == zero;
      const bool anyBoxed = anyOf(boxed);
      size_t at = block * blockFloats(c) + static_cast<size_t>(begin) * kLanes + part;
      for (int i = begin; i < end; ++i, at += kLanes) {
        const vec zhat = load(layer.zhat.data + at), gain = load(c.data + at), point = load(dz.data + at);
        const vec chosen = load(layer.slope.data + at);
        const vec residual = load(y.data + at) - point;
        const vec gradient = gain * residual;
        const vec oldFirst = load(adam.first.data + at), oldSecond = load(adam.second.data + at);
        const vec first = keep1 * oldFirst + new1 * gradient;
        const vec second = keep2 * oldSecond + new2 * gradient * gradient;
        const vec moved = chosen + step * first / (root(second * correction) + 1e-12f);
        if (free && !anyBoxed) {
          store(layer.slope.data + at, moved);
          store(adam.first.data + at, first);
          store(adam.second.data + at, second);
          store(c.data + at, reluChange(zhat, point) + chosen * residual);
        } else {
          const vec lower = load(layer.lower.data + at), upper = load(layer.upper.data + at);
          const ivec everyBit = zero == zero;
          const ivec follows = free ? followsBox(boxed, zhat, lower, upper) : everyBit;
          const ivec open = (gain >= zero) & (zhat + lower < zero) & (zhat + upper > zero);
          const ivec learns = ~follows | open;
          const vec next = follows ? clamp(moved, zero, one) : moved;
          const vec slope = follows ? boxSlope(zhat, lower, upper, gain, chosen) : chosen;
          store(layer.slope.data + at, learns ? next : chosen);
          store(adam.first.data + at, learns ? first : oldFirst);
          store(adam.second.data + at, learns ? second : oldSecond);
          store(c.data + at, reluChange(zhat, point) + slope * residual);
        }
      }
    }
  }
}

static void reluAscend(const ReluLayer& layer, View y, View dz, View c, const Adam& adam) {
  const auto ascend = layer.rule == SlopeRule::free ? reluAscendBlock<true> : reluAscendBlock<false>;
  for (int block = 0; block < c.blocks; ++block) ascend(layer, y, dz, c, adam, block);
}

/// visit(at, slope in effect) for every vector of the layer.
template <bool free, typename Visit>
BULWARK_INLINE void eachSlope(const ReluLayer& layer, View c, Visit visit) {
  const vec zero{};
  for (int block = 0; block < c.blocks; ++block)
    for (int part = 0; part < kLanes; part += kWidth) {
      const ivec boxed = load(layer.lambda.data + block * kLanes + part) == zero;
      size_t at = block * blockFloats(c) + part;
      for (int i = 0; i < c.features; ++i, at += kLanes) {
        visit(at, slopeInEffect<free>(boxed, load(layer.zhat.data + at), load(layer.lower.data + at),
                                      load(layer.upper.data + at), load(c.data + at),
                                      load(layer.slope.data + at)));
      }
    }
}

static void slopes(const ReluLayer& layer, View c, View out) {
  const auto keep = [&](size_t at, vec slope) { store(out.data + at, slope); };
  layer.rule == SlopeRule::free ? eachSlope<true>(layer, c, keep) : eachSlope<false>(layer, c, keep);
}

static void losses(const ReluLayer& layer, View y, View dz, View c, View out) {
  const vec zero{}, inside = spread(kTriangleShare), outside = spread(kTriangleShareOutside);
  const auto lose = [&](size_t at, vec slope) {
    const vec zhat = load(layer.zhat.data + at), lower = load(layer.lower.data + at);
    const vec upper = load(layer.upper.data + at), gain = load(c.data + at);
    const vec point = load(dz.data + at), arrives = load(y.data + at);
    const vec l = zhat + lower, u = zhat + upper, taken = clamp(arrives, lower, upper);
    const vec share = taken == arrives ? inside : outside;
    const vec loss = gain * (reluChange(zhat, taken) - reluChange(zhat, point)) -
                     slope * gain * (taken - point) + share * absolute(gain) * (u * -l / (u - l));
    store(out.data + at, ((l < zero) & (u > zero)) ? loss : spread(kNothingLost));
  };
  layer.rule == SlopeRule::free ? eachSlope<true>(layer, c, lose) : eachSlope<false>(layer, c, lose);
}
