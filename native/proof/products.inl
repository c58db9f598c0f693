// Part of kernels.inl: products with an operator, by tiles of its plan.

/// Whether any input that a tile meets in a segment may be other than 0.
static bool anyAlive(const ProductPlan& plan, int begin, int length) {
  if (!plan.alive) return true;
  for (int cell = begin / plan.cell; cell * plan.cell < begin + length; ++cell)
    if (plan.alive[cell]) return true;
  return false;
}

/// The first outputs of a tile in some vectors of lanes; a feature's lanes lie `lanes` apart. The last
/// vectors get |A|. Sums of even and odd terms apart, so that additions need not wait.
template <int outputs, int vectors, int magnitudes>
static void tileOutputs(const ProductPlan& plan, const Tile& tile, int lanes, const double* const* in,
                        double* const* out) {
  V even[vectors][outputs], odd[vectors][outputs];
  for (int v = 0; v < vectors; ++v) {
    for (int m = 0; m < outputs; ++m) even[v][m] = odd[v][m] = V{};
  }
  const auto addTerms = [](const double* weight, const V* x, V(*sums)[outputs])
                            __attribute__((always_inline)) {
                              for (int m = 0; m < outputs; ++m) {
                                const V w = spread(weight[m]), magnitude = absolute(w);
                                for (int v = 0; v < vectors; ++v)
                                  sums[v][m] += (v < vectors - magnitudes ? w : magnitude) * x[v];
                              }
                            };
  for (int s = tile.segment; s < tile.segment + tile.segmentCount; ++s) {
    const Segment& segment = plan.segments[s];
    if (!anyAlive(plan, tile.in + segment.in, segment.length)) continue;
    int64_t at = static_cast<int64_t>(tile.in + segment.in) * lanes;
    const double* weight = plan.weights + (tile.weights + segment.weights) * kTile;
    V x[vectors], y[vectors];
    int k = 0;
    for (; k + 2 <= segment.length; k += 2, at += 2 * lanes, weight += 2 * kTile) {
      for (int v = 0; v < vectors; ++v) x[v] = load(in[v] + at), y[v] = load(in[v] + at + lanes);
      addTerms(weight, x, even);
      addTerms(weight + kTile, y, odd);
    }
    if (k < segment.length) {
      for (int v = 0; v < vectors; ++v) x[v] = load(in[v] + at);
      addTerms(weight, x, even);
    }
  }
  for (int v = 0; v < vectors; ++v) {
    for (int m = 0; m < outputs; ++m) even[v][m] += odd[v][m];
  }
  for (int m = 0; m < outputs; ++m) {
    if (m == tile.outputs) break;
    const int64_t at = static_cast<int64_t>(tile.out[m]) * lanes;
    for (int v = 0; v < vectors; ++v) store(out[v] + at, even[v][m]);
  }
}

/// One output: a channel of its own, as in depthwise convolutions.
template <int vectors, int magnitudes>
static void eachTile(const ProductPlan& plan, int lanes, const double* const* in, double* const* out) {
  for (int i = 0; i < plan.tileCount; ++i) {
    const Tile& tile = plan.tiles[i];
    (tile.outputs == 1 ? tileOutputs<1, vectors, magnitudes>
                       : tileOutputs<kTile, vectors, magnitudes>)(plan, tile, lanes, in, out);
  }
}

static void productOf(const ProductPlan& plan, int blocks, const double* const* in, double* const* out) {
  // Both at once where there are registers for it.
  if (PROOF_WIDTH == kLanes && blocks == kBlocks) return eachTile<kBlocks, 0>(plan, kLanes, in, out);
  for (int block = 0; block < blocks; ++block) {
    for (int part = 0; part < kLanes; part += PROOF_WIDTH) {
      const double* from = in[block] + part;
      double* to = out[block] + part;
      eachTile<1, 0>(plan, kLanes, &from, &to);
    }
  }
}

static void mixedProductOf(const ProductPlan& plan, const double* in, double* out) {
  constexpr int half = kMixedLanes / 2;
  for (int part = 0; part < half; part += PROOF_WIDTH) {
    const double* from[] = {in + part, in + half + part};
    double* to[] = {out + part, out + half + part};
    eachTile<2, 1>(plan, kMixedLanes, from, to);
  }
}
