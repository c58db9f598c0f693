// Part of kernels.inl: products with matrices of which only a part lives (live.h), for many rows at once.

/// Some tiles from `first` on for some vectors of lanes, in an order of sums that does not depend on how
/// many.
template <int tiles, int vectors>
static void planeTiles(const PlanesCall& call, int first, const double* const* in, double* const* out) {
  V sums[tiles][vectors][kTile] = {};
  const double* weight = call.weights + static_cast<int64_t>(first) * call.inputs;
  const int64_t tile = static_cast<int64_t>(call.inputs) * kTile;
  for (int k = 0; k < call.inputs; ++k, weight += kTile) {
    for (int vector = 0; vector < vectors; ++vector) {
      const V x = load(in[vector] + static_cast<int64_t>(k) * kLanes);
      for (int t = 0; t < tiles; ++t) {
        for (int m = 0; m < kTile; ++m) sums[t][vector][m] += weight[t * tile + m] * x;
      }
    }
  }
  for (int t = 0; t < tiles; ++t) {
    for (int m = 0; m < kTile; ++m) {
      const int output = first + t * kTile + m;
      if (output >= call.outputs) return;
      for (int vector = 0; vector < vectors; ++vector)
        store(out[vector] + static_cast<int64_t>(output) * kLanes, sums[t][vector][m]);
    }
  }
}

/// Eight sums at a time, so that additions need not wait: of two planes, or of two tiles for the last plane.
static void planesOf(const PlanesCall& call) {
  const int64_t inputs = static_cast<int64_t>(call.inputs) * kLanes;
  const int64_t outputs = static_cast<int64_t>(call.outputs) * kLanes;
  for (int part = 0; part < kLanes; part += PROOF_WIDTH) {
    const double* in = call.in + part;
    double* out = call.out + part;
    int plane = 0;
    for (; plane + 2 <= call.planes; plane += 2, in += 2 * inputs, out += 2 * outputs) {
      const double* ins[] = {in, in + inputs};
      double* outs[] = {out, out + outputs};
      for (int first = 0; first < call.outputs; first += kTile) planeTiles<1, 2>(call, first, ins, outs);
    }
    if (plane == call.planes) continue;
    int first = 0;
    for (; first + kTile < call.outputs; first += 2 * kTile) planeTiles<2, 1>(call, first, &in, &out);
    if (first < call.outputs) planeTiles<1, 1>(call, first, &in, &out);
  }
}
