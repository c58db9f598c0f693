// Loops over row-major arrays. Plain, for the compiler to vectorise: the arrays come from JavaScript at any
// alignment, and all but the packing is bound by memory. expf and logf are the C library's.

template <typename Function>
BULWARK_INLINE void mapped(const float* x, float* y, size_t count, Function f) {
  for (size_t i = 0; i < count; ++i) y[i] = f(x[i]);
}

static void denseUnary(Unary kind, const float* x, float* y, size_t count) {
  switch (kind) {
    case Unary::relu:
      return mapped(x, y, count, [](float t) { return t < 0 ? 0 : t; });
    case Unary::absolute:
      return mapped(x, y, count, [](float t) { return __builtin_fabsf(t); });
    case Unary::exponential:
      return mapped(x, y, count, [](float t) { return __builtin_expf(t); });
    case Unary::logarithm:
      return mapped(x, y, count, [](float t) { return __builtin_logf(t); });
    case Unary::root:
      return mapped(x, y, count, [](float t) { return __builtin_sqrtf(t); });
    case Unary::reciprocal:
      return mapped(x, y, count, [](float t) { return 1 / t; });
    case Unary::square:
      return mapped(x, y, count, [](float t) { return t * t; });
    case Unary::softplus:
      return mapped(x, y, count, [](float t) {
        return (t < 0 ? 0 : t) + __builtin_log1pf(__builtin_expf(-__builtin_fabsf(t)));
      });
    case Unary::sigmoid:
      return mapped(x, y, count, [](float t) { return 1 / (1 + __builtin_expf(-t)); });
    case Unary::step:
      return mapped(x, y, count, [](float t) { return t > 0 ? 1.0f : 0.0f; });
    case Unary::sign:
      return mapped(x, y, count, [](float t) { return t > 0 ? 1.0f : (t < 0 ? -1.0f : t); });
  }
}

template <typename Function>
BULWARK_INLINE void combined(const float* a, size_t stepA, const float* b, size_t stepB, float* y,
                             size_t count, Function f) {
  if (stepA != 0 && stepB != 0) {
    for (size_t i = 0; i < count; ++i) y[i] = f(a[i], b[i]);
  } else if (stepA != 0) {
    const float right = *b;
    for (size_t i = 0; i < count; ++i) y[i] = f(a[i], right);
  } else if (stepB != 0) {
    const float left = *a;
    for (size_t i = 0; i < count; ++i) y[i] = f(left, b[i]);
  } else {
    const float value = f(*a, *b);
    for (size_t i = 0; i < count; ++i) y[i] = value;
  }
}

static void denseBinary(Binary kind, const float* a, size_t stepA, const float* b, size_t stepB, float* y,
                        size_t count) {
  switch (kind) {
    case Binary::add:
      return combined(a, stepA, b, stepB, y, count, [](float s, float t) { return s + t; });
    case Binary::subtract:
      return combined(a, stepA, b, stepB, y, count, [](float s, float t) { return s - t; });
    case Binary::multiply:
      return combined(a, stepA, b, stepB, y, count, [](float s, float t) { return s * t; });
    case Binary::divide:
      return combined(a, stepA, b, stepB, y, count, [](float s, float t) { return s / t; });
    case Binary::largest:
      return combined(a, stepA, b, stepB, y, count, [](float s, float t) { return s < t ? t : s; });
    case Binary::least:
      return combined(a, stepA, b, stepB, y, count, [](float s, float t) { return s > t ? t : s; });
    case Binary::gate:
      return combined(a, stepA, b, stepB, y, count, [](float s, float t) { return t > 0 ? s : 0; });
    case Binary::greater:
      return combined(a, stepA, b, stepB, y, count, [](float s, float t) { return s > t ? 1.0f : 0.0f; });
  }
}

static void denseScale(const float* x, float* y, size_t count, float factor, float shift) {
  for (size_t i = 0; i < count; ++i) y[i] = factor * x[i] + shift;
}

static void denseCombine(const float* x, float* y, size_t count, float factor, float keep) {
  for (size_t i = 0; i < count; ++i) y[i] = factor * x[i] + keep * y[i];
}

static void denseAddTo(const float* x, float* y, size_t count) {
  for (size_t i = 0; i < count; ++i) y[i] += x[i];
}

/// In sixteen interleaved sums, then in double: long rows keep their digits.
static void denseAddSum(const float* x, float* y, size_t count) {
  double total = 0;
  for (size_t begin = 0; begin < count;) {
    const size_t end = begin + 1024 < count ? begin + 1024 : count;
    float sums[16] = {};
    for (; begin + 16 <= end; begin += 16)
      for (size_t i = 0; i < 16; ++i) sums[i] += x[begin + i];
    for (; begin < end; ++begin) sums[0] += x[begin];
    for (const float sum : sums) total += sum;
  }
  *y += static_cast<float>(total);
}

/// `averaged`: whether a moving average is kept, which costs nothing beside the root and the quotient.
template <bool averaged>
BULWARK_INLINE void adamPass(AdamStep s, const float* gradient, float* weight, float* first, float* second,
                             size_t count, MovingAverage kept) {
  for (size_t i = 0; i < count; ++i) {
    const float g = s.gradientScale * gradient[i] + s.decay * weight[i];
    const float m = s.beta1 * first[i] + (1 - s.beta1) * g;
    const float v = s.beta2 * second[i] + (1 - s.beta2) * g * g;
    first[i] = m;
    second[i] = v;
    const float move = s.firstCorrection * m / (__builtin_sqrtf(s.secondCorrection * v) + s.epsilon);
    const float moved = weight[i] - s.rate * move;
    weight[i] = moved;
    if constexpr (averaged) kept.average[i] = kept.fresh * moved + kept.decay * kept.average[i];
  }
}

static void denseAdam(const AdamStep& step, const float* gradient, float* weight, float* first, float* second,
                      size_t count, const MovingAverage& average) {
  if (average.average)
    adamPass<true>(step, gradient, weight, first, second, count, average);
  else
    adamPass<false>(step, gradient, weight, first, second, count, average);
}

/// In strips of columns, whose sums stay in registers from the first row to the last.
template <int vectors>
BULWARK_INLINE void gateStrip(const float* x, const float* y, size_t rows, size_t step, float* gated,
                              float* sums) {
  vec total[vectors] = {};
  if (sums)
    for (int i = 0; i < vectors; ++i) total[i] = loadLoose(sums + i * kWidth);
  for (size_t row = 0; row < rows; ++row, x += step, y += step, gated += step) {
#pragma GCC unroll 8
    for (int i = 0; i < vectors; ++i) {
      const vec open = loadLoose(y + i * kWidth) > 0 ? loadLoose(x + i * kWidth) : vec{};
      storeLoose(gated + i * kWidth, open);
      total[i] += open;
    }
  }
  if (sums)
    for (int i = 0; i < vectors; ++i) storeLoose(sums + i * kWidth, total[i]);
}

static void denseGate(const float* x, const float* y, size_t rows, size_t columns, float* gated,
                      float* sums) {
  constexpr size_t kStrip = 4 * kWidth;
  const auto from = [&](size_t column) { return sums ? sums + column : nullptr; };
  size_t column = 0;
  for (; column + kStrip <= columns; column += kStrip)
    gateStrip<4>(x + column, y + column, rows, columns, gated + column, from(column));
  for (; column + kWidth <= columns; column += kWidth)
    gateStrip<1>(x + column, y + column, rows, columns, gated + column, from(column));
  for (; column < columns; ++column)
    for (size_t at = column; at < rows * columns; at += columns) {
      gated[at] = y[at] > 0 ? x[at] : 0;
      if (sums) sums[column] += gated[at];
    }
}

static void denseSignStep(const SignStep& step, const float* gradient, const float* centre, float* x,
                          size_t count) {
  const SignStep s = step;
  for (size_t i = 0; i < count; ++i) {
    const float g = gradient[i], c = centre[i];
    float moved = x[i] + (g > 0 ? s.step : (g < 0 ? -s.step : 0));
    const float least = c - s.radius < s.low ? s.low : c - s.radius;
    const float most = c + s.radius > s.high ? s.high : c + s.radius;
    moved = moved < least ? least : moved;
    x[i] = moved > most ? most : moved;
  }
}

/// Two rounds of a 32-bit mixer over counter and seed words: every bit of either moves every bit of the
/// result.
static void denseUniform(uint64_t seed, uint64_t begin, float low, float high, float* y, size_t count) {
  const uint32_t keys[2] = {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)};
  const uint32_t first = static_cast<uint32_t>(begin);
  const float width = (high - low) * 0x1p-24f;
  for (size_t i = 0; i < count; ++i) {
    uint32_t h = (first + static_cast<uint32_t>(i)) * 0x9e3779b9u;
    for (int round = 0; round < 2; ++round) {
      h ^= keys[round];
      h = (h ^ (h >> 16)) * 0x7feb352du;
      h = (h ^ (h >> 15)) * 0x846ca68bu;
      h ^= h >> 16;
    }
    y[i] = low + width * static_cast<float>(static_cast<int32_t>(h >> 8));
  }
}

typedef float four __attribute__((vector_size(16), aligned(4)));

/// Four rows of four floats become columns.
BULWARK_INLINE void turnFour(const float* from, size_t rowStep, float* to, size_t columnStep) {
  const four a = *reinterpret_cast<const four*>(from), b = *reinterpret_cast<const four*>(from + rowStep),
             c = *reinterpret_cast<const four*>(from + 2 * rowStep),
             d = *reinterpret_cast<const four*>(from + 3 * rowStep);
  const four ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
  const four ba = __builtin_shufflevector(a, b, 2, 6, 3, 7), dc = __builtin_shufflevector(c, d, 2, 6, 3, 7);
  *reinterpret_cast<four*>(to) = __builtin_shufflevector(ab, cd, 0, 1, 4, 5);
  *reinterpret_cast<four*>(to + columnStep) = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
  *reinterpret_cast<four*>(to + 2 * columnStep) = __builtin_shufflevector(ba, dc, 0, 1, 4, 5);
  *reinterpret_cast<four*>(to + 3 * columnStep) = __builtin_shufflevector(ba, dc, 2, 3, 6, 7);
}

static void densePack(const float* from, size_t rowStep, size_t columnStep, int depth, int count, int width,
                      float* to) {
  if (rowStep == 1) {
    for (int k = 0; k < depth; ++k, from += columnStep, to += width) {
      for (int i = 0; i < count; ++i) to[i] = from[i];
      for (int i = count; i < width; ++i) to[i] = 0;
    }
    return;
  }
  const size_t wide = static_cast<size_t>(width), deep = static_cast<size_t>(depth);
  const size_t rows = static_cast<size_t>(count);
  const size_t turned = columnStep == 1 ? rows & ~size_t{3} : 0, ends = deep & ~size_t{3};
  for (size_t k = 0; k < ends; k += 4)
    for (size_t i = 0; i < turned; i += 4) turnFour(from + i * rowStep + k, rowStep, to + k * wide + i, wide);
  for (size_t i = 0; i < wide; ++i)
    for (size_t k = i < turned ? ends : 0; k < deep; ++k)
      to[k * wide + i] = i < rows ? from[i * rowStep + k * columnStep] : 0;
}
