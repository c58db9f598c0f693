// min a^T dx over the region, with its minimiser, and row norms.

/// Row sums of squares of one block, in double.
static void squareSums(View in, int block, double* sums) {
  for (int lane = 0; lane < kLanes; ++lane) sums[lane] = 0.0;
  for (int begin = 0; begin < in.features; begin += kChunk) {
    const int end = chunkEnd(begin, in.features);
    for (int part = 0; part < kLanes; part += kWidth) {
      vec sum{};
      const float* at = in.data + block * blockFloats(in) + static_cast<size_t>(begin) * kLanes + part;
      for (int i = begin; i < end; ++i, at += kLanes) sum += load(at) * load(at);
      addTo(sums + part, sum);
    }
  }
}

static void norm2(View in, Rows out) {
  double sums[kLanes];
  for (int block = 0; block < in.blocks; ++block) {
    squareSums(in, block, sums);
    for (int lane = 0; lane < kLanes; ++lane)
      out.data[block * kLanes + lane] = static_cast<float>(__builtin_sqrt(sums[lane]));
  }
}

static void boxInput(const InputRegion& region, View a, int block, View dx, double* value) {
  const vec zero{}, notANumber = spread(__builtin_nanf(""));
  for (int begin = 0; begin < a.features; begin += kChunk) {
    const int end = chunkEnd(begin, a.features);
    for (int part = 0; part < kLanes; part += kWidth) {
      vec sum{};
      size_t at = block * blockFloats(a) + static_cast<size_t>(begin) * kLanes + part;
      for (int i = begin; i < end; ++i, at += kLanes) {
        const vec slope = load(a.data + at), lower = load(region.lower.data + at);
        const vec upper = load(region.upper.data + at);
        const vec point = lower <= upper ? (slope > zero ? lower : upper) : notANumber;
        store(dx.data + at, point);
        sum += slope * point;
      }
      addTo(value + part, sum);
    }
  }
}

static void l2Input(const InputRegion& region, View a, int block, View dx, double* value) {
  double squares[kLanes];
  squareSums(a, block, squares);
  alignas(64) float factor[kLanes];
  for (int lane = 0; lane < kLanes; ++lane) {
    const double eps = region.eps.data[block * kLanes + lane], norm = __builtin_sqrt(squares[lane]);
    value[lane] = -eps * norm;
    factor[lane] = norm == 0.0 ? 0.0f : static_cast<float>(-eps / norm);
  }
  for (int part = 0; part < kLanes; part += kWidth) {
    const vec scale = load(factor + part);
    size_t at = block * blockFloats(a) + part;
    for (int i = 0; i < a.features; ++i, at += kLanes) store(dx.data + at, scale * load(a.data + at));
  }
}

static void l1Input(const InputRegion& region, View a, int block, View dx, double* value) {
  const vec zero{};
  for (int part = 0; part < kLanes; part += kWidth) {
    const vec eps = load(region.eps.data + block * kLanes + part);
    vec largest = spread(-1.0f), poison{};
    ivec where{};
    size_t at = block * blockFloats(a) + part;
    for (int i = 0; i < a.features; ++i, at += kLanes) {
      const vec slope = load(a.data + at), size = absolute(slope);
      const ivec larger = size > largest;
      largest = larger ? size : largest;
      where = larger ? ivec{} + i : where;
      poison = slope == slope ? poison : slope;
    }
    at = block * blockFloats(a) + part;
    for (int i = 0; i < a.features; ++i, at += kLanes) {
      const vec slope = load(a.data + at);
      const vec point = slope > zero ? -eps : (slope < zero ? eps : zero);
      store(dx.data + at, (where == ivec{} + i) ? point : zero);
    }
    addTo(value + part, poison - eps * largest);
  }
}

/// At multiplier lambda the minimiser of a dx + lambda / 2 dx^2 over the box is a clipped line.
struct ClippedSums {
  double line[kLanes];  // a^2 where it is not clipped
  double ends[kLanes];  // dx^2 where it is
  double all[kLanes];   // a^2 everywhere
};

static void clippedSums(const InputRegion& region, View a, int block, const float* lambda,
                        ClippedSums& sums) {
  for (int lane = 0; lane < kLanes; ++lane) sums.line[lane] = sums.ends[lane] = sums.all[lane] = 0.0;
  const vec zero{}, huge = spread(kLargest);
  for (int begin = 0; begin < a.features; begin += kChunk) {
    const int end = chunkEnd(begin, a.features);
    for (int part = 0; part < kLanes; part += kWidth) {
      const vec multiplier = load(lambda + part);
      const vec inverse = multiplier > zero ? atMost(1.0f / multiplier, huge) : huge;
      vec onLine{}, atEnds{}, everywhere{};
      size_t at = block * blockFloats(a) + static_cast<size_t>(begin) * kLanes + part;
      for (int i = begin; i < end; ++i, at += kLanes) {
        const vec slope = load(a.data + at), stationary = -slope * inverse, square = slope * slope;
        const vec point = clamp(stationary, load(region.lower.data + at), load(region.upper.data + at));
        const ivec clipped = point != stationary;
        onLine += clipped ? zero : square;
        atEnds += clipped ? point * point : zero;
        everywhere += square;
      }
      addTo(sums.line + part, onLine);
      addTo(sums.ends + part, atEnds);
      addTo(sums.all + part, everywhere);
    }
  }
}

/// Solves ||dx(lambda)|| = eps on the pieces where lambda lies now. From above the root this falls
/// monotonically onto it in finitely many steps. Where the clipped part alone leaves the ball, lambda is
/// below the root: then so is the fixed point lambda ||dx|| / eps, and ||a|| / eps is above it; the step goes
/// half way in the logarithm.
static void stepMultiplier(const ClippedSums& sums, const float* eps, const float* still, float* lambda) {
  for (int lane = 0; lane < kLanes; ++lane) {
    if (still && still[lane] != 0.0f) continue;
    const double ball = static_cast<double>(eps[lane]) * eps[lane], room = ball - sums.ends[lane];
    const double now = lambda[lane];
    if (room > 0.0) {
      lambda[lane] = static_cast<float>(__builtin_sqrt(sums.line[lane] / room));
    } else if (ball > 0.0 && now > 0.0) {
      const double below = now * __builtin_sqrt((sums.ends[lane] + sums.line[lane] / (now * now)) / ball);
      const double above = __builtin_sqrt(sums.all[lane] / ball);
      lambda[lane] = static_cast<float>(__builtin_sqrt(below * above));
    }
  }
}

static void clippedL2Input(const InputRegion& region, View a, int block, int steps, View dx, double* value) {
  const vec zero{}, huge = spread(kLargest), notANumber = spread(__builtin_nanf(""));
  const float* eps = region.eps.data + block * kLanes;
  const float* still = region.still.data ? region.still.data + block * kLanes : nullptr;
  float* lambda = region.lambda.data + block * kLanes;
  ClippedSums sums;
  if (steps > 0) {
    bool cold = false;
    for (int lane = 0; lane < kLanes; ++lane) cold = cold || lambda[lane] == 0.0f;
    if (cold) squareSums(a, block, sums.all);
    for (int lane = 0; lane < kLanes; ++lane) {
      if (still && still[lane] != 0.0f) continue;
      if (lambda[lane] == 0.0f && eps[lane] > 0.0f)
        lambda[lane] = static_cast<float>(__builtin_sqrt(sums.all[lane]) / eps[lane]);
    }
  }
  for (int step = 0; step < steps; ++step) {
    clippedSums(region, a, block, lambda, sums);
    stepMultiplier(sums, eps, still, lambda);
  }
  for (int begin = 0; begin < a.features; begin += kChunk) {
    const int end = chunkEnd(begin, a.features);
    for (int part = 0; part < kLanes; part += kWidth) {
      const vec multiplier = load(lambda + part), half = 0.5f * multiplier;
      const vec inverse = multiplier > zero ? atMost(1.0f / multiplier, huge) : huge;
      const ivec noBall = load(eps + part) == zero;
      vec sum{};
      size_t at = block * blockFloats(a) + static_cast<size_t>(begin) * kLanes + part;
      for (int i = begin; i < end; ++i, at += kLanes) {
        const vec slope = load(a.data + at), lower = load(region.lower.data + at);
        const vec upper = load(region.upper.data + at);
        vec point = noBall ? zero : clamp(-slope * inverse, lower, upper);
        point = lower <= upper ? point : notANumber;
        store(dx.data + at, point);
        sum += (slope + half * point) * point;
      }
      addTo(value + part, sum);
    }
  }
  for (int lane = 0; lane < kLanes; ++lane) {
    const double radius = eps[lane];
    value[lane] -= 0.5 * lambda[lane] * radius * radius;
  }
}

static void inputDual(const InputRegion& region, View a, int steps, View dx, Sums value) {
  for (int block = 0; block < a.blocks; ++block) {
    double* rows = value.data + block * kLanes;
    for (int lane = 0; lane < kLanes; ++lane) rows[lane] = 0.0;
    if (region.kind == InputKind::box) {
      boxInput(region, a, block, dx, rows);
    } else if (region.kind == InputKind::l1) {
      l1Input(region, a, block, dx, rows);
    } else if (region.clipped) {
      clippedL2Input(region, a, block, steps, dx, rows);
    } else {
      l2Input(region, a, block, dx, rows);
    }
  }
}

static void deflect(const InputRegion& region, Rows keep, Rows add, View pulled, View dx) {
  for (int block = 0; block < dx.blocks; ++block) {
    for (int part = 0; part < kLanes; part += kWidth) {
      const vec kept = load(keep.data + block * kLanes + part),
                added = load(add.data + block * kLanes + part);
      size_t at = block * blockFloats(dx) + part;
      for (int i = 0; i < dx.features; ++i, at += kLanes) {
        const vec point = load(dx.data + at);
        vec moved = kept * point + added * load(pulled.data + at);
        if (region.clipped) {
          const ivec held = (point == load(region.lower.data + at)) | (point == load(region.upper.data + at));
          moved = held ? point : moved;
        }
        store(dx.data + at, moved);
      }
    }
  }
}
