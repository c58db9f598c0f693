// Operators without sums: diagonal and index maps, boxes, ReLU of points.

static void scale(const float* factors, View in, View out, bool accumulate) {
  for (int block = 0; block < in.blocks; ++block) {
    const float* from = in.data + block * blockFloats(in);
    float* to = out.data + block * blockFloats(out);
    for (int i = 0; i < in.features; ++i)
      for (int part = 0; part < kLanes; part += kWidth) {
        const size_t at = static_cast<size_t>(i) * kLanes + part;
        const vec y = factors[i] * load(from + at);
        store(to + at, accumulate ? load(to + at) + y : y);
      }
  }
}

static void index(const int32_t* source, View in, View out, bool accumulate) {
  for (int block = 0; block < in.blocks; ++block) {
    const float* from = in.data + block * blockFloats(in);
    float* to = out.data + block * blockFloats(out);
    for (int i = 0; i < out.features; ++i) {
      if (source[i] < 0 && accumulate) continue;
      for (int part = 0; part < kLanes; part += kWidth) {
        const size_t at = static_cast<size_t>(i) * kLanes + part;
        const vec x = source[i] < 0 ? vec{} : load(from + static_cast<size_t>(source[i]) * kLanes + part);
        store(to + at, accumulate ? load(to + at) + x : x);
      }
    }
  }
}

static void indexAdjoint(const int32_t* source, View in, View out) {
  for (int block = 0; block < in.blocks; ++block) {
    const float* from = in.data + block * blockFloats(in);
    float* to = out.data + block * blockFloats(out);
    for (int i = 0; i < in.features; ++i) {
      if (source[i] < 0) continue;
      for (int part = 0; part < kLanes; part += kWidth) {
        float* at = to + static_cast<size_t>(source[i]) * kLanes + part;
        store(at, load(at) + load(from + static_cast<size_t>(i) * kLanes + part));
      }
    }
  }
}

static void addBias(const float* bias, View y) {
  for (int block = 0; block < y.blocks; ++block) {
    float* at = y.data + block * blockFloats(y);
    for (int i = 0; i < y.features; ++i)
      for (int part = 0; part < kLanes; part += kWidth, at += kWidth) store(at, load(at) + bias[i]);
  }
}

static void copy(View in, View out, bool accumulate) {
  const size_t end = viewFloats(in);
  for (size_t i = 0; i < end; i += kWidth) {
    const vec x = load(in.data + i);
    store(out.data + i, accumulate ? load(out.data + i) + x : x);
  }
}

static void midRadius(View lower, View upper, View mid, View radius) {
  const size_t end = viewFloats(lower);
  for (size_t i = 0; i < end; i += kWidth) {
    const vec l = 0.5f * load(lower.data + i), u = 0.5f * load(upper.data + i);
    store(mid.data + i, u + l);
    store(radius.data + i, u - l);
  }
}

static void ballBox(View mid, View radius, const float* reach, Rows rho, float slack, View lower,
                    View upper) {
  const vec zero{};
  for (int block = 0; block < mid.blocks; ++block) {
    for (int part = 0; part < kLanes; part += kWidth) {
      const vec rows = load(rho.data + block * kLanes + part);
      const vec rounded = rows * (1.0f + slack);
      size_t at = block * blockFloats(mid) + part;
      for (int i = 0; i < mid.features; ++i, at += kLanes) {
        const vec m = load(mid.data + at), r = load(radius.data + at);
        const vec wide = r + slack * (r + absolute(m));
        // Infinite rows first: a reach of 0 times an infinite ball is no statement about the neuron.
        const vec ball = rows == kInfinity ? rows : (reach ? reach[i] * rounded : rounded);
        store(lower.data + at, atMost(atLeast(m - wide, -ball), zero));
        store(upper.data + at, atLeast(atMost(m + wide, ball), zero));
      }
    }
  }
}

static void intersectBox(View lower, View upper, View intoLower, View intoUpper) {
  const size_t end = viewFloats(lower);
  for (size_t i = 0; i < end; i += kWidth) {
    store(intoLower.data + i, atLeast(load(intoLower.data + i), load(lower.data + i)));
    store(intoUpper.data + i, atMost(load(intoUpper.data + i), load(upper.data + i)));
  }
}

static void reluBox(View zhat, View lower, View upper, View outLower, View outUpper) {
  const size_t end = viewFloats(zhat);
  for (size_t i = 0; i < end; i += kWidth) {
    const vec z = load(zhat.data + i);
    const vec l = reluChange(z, load(lower.data + i)), u = reluChange(z, load(upper.data + i));
    store(outLower.data + i, l);
    store(outUpper.data + i, u);
  }
}

static void relu(View x, View y) {
  const size_t end = viewFloats(x);
  for (size_t i = 0; i < end; i += kWidth) store(y.data + i, atLeast(load(x.data + i), vec{}));
}

static void reluMask(View x, View g) {
  const size_t end = viewFloats(x);
  for (size_t i = 0; i < end; i += kWidth) {
    const vec gradient = load(g.data + i);
    store(g.data + i, load(x.data + i) <= vec{} ? vec{} : gradient);
  }
}
