// The one kernel behind matrix products and convolutions, forward and adjoint: a register tile of
// `outputs` x `positions` vectors, fed by one broadcast weight per output and one vector per position. A
// position is a (block, pixel) pair; where its inputs lie is looked up, so padding, strides and dilation cost
// nothing here.

template <int outputs, int positions>
static void taps(const TapCall& call) {
  vec sum[outputs][positions][kParts] = {};
  for (int s = 0; s < call.segmentCount; ++s) {
    const TapSegment segment = call.segments[s];
    const float* in[positions];
    for (int i = 0; i < positions; ++i) in[i] = call.in[i] + call.offsets[i][segment.column];
    const float* weights = call.weights + static_cast<size_t>(segment.depth) * outputs;
    const size_t end = static_cast<size_t>(segment.length) * kLanes;
    for (size_t k = 0; k < end; k += kLanes, weights += outputs) {
      vec x[positions][kParts];
#pragma GCC unroll 16
      for (int i = 0; i < positions; ++i)
#pragma GCC unroll 4
        for (int part = 0; part < kParts; ++part) x[i][part] = load(in[i] + k + part * kWidth);
#pragma GCC unroll 16
      for (int m = 0; m < outputs; ++m) {
        const vec weight = spread(weights[m]);
#pragma GCC unroll 16
        for (int i = 0; i < positions; ++i)
#pragma GCC unroll 4
          for (int part = 0; part < kParts; ++part) sum[m][i][part] += weight * x[i][part];
      }
    }
  }
  if (call.targets) {
    // Positions may share outputs, so one after the other.
#pragma GCC unroll 16
    for (int i = 0; i < positions; ++i)
#pragma GCC unroll 16
      for (int m = 0; m < outputs; ++m)
#pragma GCC unroll 4
        for (int part = 0; part < kParts; ++part) {
          float* at = call.out[i] + call.targets[m] + part * kWidth;
          store(at, load(at) + sum[m][i][part]);
        }
    return;
  }
#pragma GCC unroll 16
  for (int i = 0; i < positions; ++i) {
    float* out = call.out[i];
#pragma GCC unroll 16
    for (int m = 0; m < outputs; ++m)
#pragma GCC unroll 4
      for (int part = 0; part < kParts; ++part) {
        float* at = out + m * kLanes + part * kWidth;
        store(at, call.accumulate ? load(at) + sum[m][i][part] : sum[m][i][part]);
      }
  }
}
