// Projected steepest descent over a region of deviations, and bookkeeping of the best point of each row.

static void dot(View a, View b, Rows value) {
  for (int block = 0; block < a.blocks; ++block) {
    double sums[kLanes] = {};
    for (int begin = 0; begin < a.features; begin += kChunk) {
      const int end = chunkEnd(begin, a.features);
      for (int part = 0; part < kLanes; part += kWidth) {
        vec sum{};
        size_t at = block * blockFloats(a) + static_cast<size_t>(begin) * kLanes + part;
        for (int i = begin; i < end; ++i, at += kLanes) sum += load(a.data + at) * load(b.data + at);
        addTo(sums + part, sum);
      }
    }
    for (int lane = 0; lane < kLanes; ++lane)
      value.data[block * kLanes + lane] = static_cast<float>(sums[lane]);
  }
}

static void keepBest(Rows value, View x, Rows best, View kept) {
  for (int block = 0; block < x.blocks; ++block) {
    for (int part = 0; part < kLanes; part += kWidth) {
      const size_t row = static_cast<size_t>(block) * kLanes + part;
      const vec now = load(value.data + row), before = load(best.data + row);
      const ivec better = now < before;
      bool any = false;
      for (int i = 0; i < kWidth; ++i) any = any || better[i] != 0;
      if (!any) continue;
      store(best.data + row, better ? now : before);
      size_t at = block * blockFloats(x) + part;
      for (int i = 0; i < x.features; ++i, at += kLanes)
        store(kept.data + at, better ? load(x.data + at) : load(kept.data + at));
    }
  }
}

/// Features [0, features) of kWidth rows of one block, from `at` on.
struct Stretch {
  size_t at;
  int features;
};

/// True where descent along `slope` would only push a coordinate further against the bound it is at.
BULWARK_INLINE ivec blocked(const InputRegion& region, size_t at, vec slope, vec dx) {
  const vec zero{};
  return ((slope > zero) & (dx <= load(region.lower.data + at))) |
         ((slope < zero) & (dx >= load(region.upper.data + at)));
}

static void boxDescent(const InputRegion& region, View gradient, Stretch on, float step, View dx) {
  const vec zero{};
  size_t at = on.at;
  for (int i = 0; i < on.features; ++i, at += kLanes) {
    const vec slope = load(gradient.data + at), lower = load(region.lower.data + at);
    const vec upper = load(region.upper.data + at), move = 0.5f * step * (upper - lower);
    const vec moved = load(dx.data + at) + (slope > zero ? -move : (slope < zero ? move : zero));
    store(dx.data + at, clamp(moved, lower, upper));
  }
}

/// dx <- dx - scale * gradient, no entry by more than `most`, with the largest absolute value and the sum of
/// squares of what results.
static void move(View gradient, Stretch on, vec scale, vec most, View dx, vec& largest, vec& squares) {
  largest = squares = vec{};
  size_t at = on.at;
  for (int i = 0; i < on.features; ++i, at += kLanes) {
    const vec push = clamp(scale * load(gradient.data + at), -most, most);
    const vec moved = load(dx.data + at) - push, size = absolute(moved);
    store(dx.data + at, moved);
    largest = atLeast(largest, size);
    squares += moved * moved;
  }
}

BULWARK_INLINE bool anyTrue(ivec x) {
  int any = 0;
  for (int i = 0; i < kWidth; ++i) any |= x[i];
  return any != 0;
}

/// The projection onto ball and box is clip(t y). ||clip(t y)||^2 is concave in t^2, so Newton's method from
/// the left climbs monotonically, never leaves the ball, and is exact once the set of clipped coordinates is.
static void projectL2(const InputRegion& region, Stretch on, vec eps, vec squares, View dx) {
  const vec one = spread(1.0f), room = eps * eps;
  vec shrink = squares > room ? room / squares : one;  // t^2
  constexpr int kRounds = 12;
  for (int round = 0; region.clipped && round < kRounds; ++round) {
    vec sum{}, slope{};
    size_t at = on.at;
    for (int i = 0; i < on.features; ++i, at += kLanes) {
      const vec y = load(dx.data + at);
      const vec bound = y > vec{} ? load(region.upper.data + at) : load(region.lower.data + at);
      const vec square = y * y, scaled = shrink * square, reach = bound * bound;
      const ivec free = scaled < reach;
      sum += free ? scaled : reach;
      slope += free ? square : vec{};
    }
    const ivec going = (shrink < one) & (sum < 0.999f * room);
    if (!anyTrue(going)) break;
    const vec next = slope > vec{} ? atMost(shrink + (room - sum) / slope, one) : one;
    shrink = going ? next : shrink;
  }
  const vec t = root(shrink);
  size_t at = on.at;
  for (int i = 0; i < on.features; ++i, at += kLanes) {
    vec x = t * load(dx.data + at);
    if (region.clipped) x = clamp(x, load(region.lower.data + at), load(region.upper.data + at));
    store(dx.data + at, x);
  }
}

/// |y| less the threshold, at most the bound on y's side.
BULWARK_INLINE vec shrunk(const InputRegion& region, size_t at, vec y, vec threshold) {
  vec size = atLeast(absolute(y) - threshold, vec{});
  if (region.clipped)
    size = atMost(size, y > vec{} ? load(region.upper.data + at) : -load(region.lower.data + at));
  return size;
}

/// The projection onto ball and box is clip(soft(y, threshold)), its 1-norm falling in the threshold:
/// bisection, keeping the end that is inside the ball.
static void projectL1(const InputRegion& region, Stretch on, vec eps, vec largest, View dx) {
  vec outside{}, inside = largest;
  constexpr int kHalvings = 24;
  for (int round = 0; round <= kHalvings; ++round) {
    const vec threshold = round == 0 ? vec{} : 0.5f * (outside + inside);
    vec sum{};
    size_t at = on.at;
    for (int i = 0; i < on.features; ++i, at += kLanes)
      sum += shrunk(region, at, load(dx.data + at), threshold);
    const ivec fits = sum <= eps;
    inside = fits ? threshold : inside;
    outside = fits ? outside : threshold;
    if (!anyTrue(outside < inside)) break;
  }
  size_t at = on.at;
  for (int i = 0; i < on.features; ++i, at += kLanes) {
    const vec y = load(dx.data + at), size = shrunk(region, at, y, inside);
    store(dx.data + at, y > vec{} ? size : -size);
  }
}

static void ballDescent(const InputRegion& region, View gradient, Stretch on, float step, vec eps, View dx) {
  vec largest{}, squares{};
  size_t at = on.at;
  for (int i = 0; i < on.features; ++i, at += kLanes) {
    vec slope = load(gradient.data + at);
    if (region.clipped) slope = blocked(region, at, slope, load(dx.data + at)) ? vec{} : slope;
    largest = atLeast(largest, absolute(slope));
    squares += slope * slope;
  }
  const vec norm = region.kind == InputKind::l1 ? largest : root(squares);
  const vec scale = norm > vec{} ? atMost(step * eps / norm, spread(kLargest)) : vec{};
  // Only blocked entries can be larger than the norm; capped, they do not drown the others in the projection.
  move(gradient, on, scale, step * eps, dx, largest, squares);
  if (region.kind == InputKind::l1) {
    projectL1(region, on, eps, largest, dx);
  } else {
    projectL2(region, on, eps, squares, dx);
  }
}

static void descend(const InputRegion& region, View gradient, float step, View dx) {
  for (int block = 0; block < dx.blocks; ++block)
    for (int part = 0; part < kLanes; part += kWidth) {
      const Stretch on{block * blockFloats(dx) + part, dx.features};
      if (region.kind == InputKind::box) {
        boxDescent(region, gradient, on, step, dx);
      } else {
        ballDescent(region, gradient, on, step, load(region.eps.data + block * kLanes + part), dx);
      }
    }
}
