// Rows from one batch into another. A vector of the result draws its lanes from few vectors of the source
// (often one: the rows of one image, or neighbours), so each of those is loaded, permuted and blended.

/// x[order[i]] in lane i.
BULWARK_INLINE vec permute(vec x, ivec order) {
#if BULWARK_WIDTH == 16 && defined(__x86_64__)
  return _mm512_maskz_permutexvar_ps(0xffff, reinterpret_cast<__m512i>(order), x);
#elif BULWARK_WIDTH == 8 && defined(__x86_64__)
  return _mm256_permutevar8x32_ps(x, reinterpret_cast<__m256i>(order));
#else
  vec out;
  for (int i = 0; i < kWidth; ++i) out[i] = x[order[i]];
  return out;
#endif
}

struct GatherPiece {
  const float* from;  // the first feature of a vector of the source
  ivec order;         // which of its lanes
  ivec taken;         // lanes of the result that come from it
};

/// The pieces of kWidth rows; returns how many.
static int gatherPieces(View in, const int32_t* source, GatherPiece* pieces) {
  int count = 0;
  for (int lane = 0; lane < kWidth; ++lane) {
    if (source[lane] < 0) continue;
    const int block = source[lane] / kLanes, part = source[lane] % kLanes / kWidth;
    const float* from = in.data + block * blockFloats(in) + part * kWidth;
    int piece = 0;
    while (piece < count && pieces[piece].from != from) ++piece;
    if (piece == count) pieces[count++] = {from, ivec{}, ivec{}};
    pieces[piece].order[lane] = source[lane] % kWidth;
    pieces[piece].taken[lane] = -1;
  }
  return count;
}

static void gather(View in, const int32_t* source, View out) {
  GatherPiece pieces[kWidth];
  const size_t end = blockFloats(out);
  for (int block = 0; block < out.blocks; ++block)
    for (int part = 0; part < kLanes; part += kWidth) {
      const int count = gatherPieces(in, source + block * kLanes + part, pieces);
      if (count == 0) continue;
      float* to = out.data + block * blockFloats(out) + part;
      for (size_t at = 0; at < end; at += kLanes) {
        vec x = load(to + at);
        for (int piece = 0; piece < count; ++piece)
          x = pieces[piece].taken ? permute(load(pieces[piece].from + at), pieces[piece].order) : x;
        store(to + at, x);
      }
    }
}

static void select(Rows which, View in, View out) {
  const vec zero{};
  for (int block = 0; block < out.blocks; ++block)
    for (int part = 0; part < kLanes; part += kWidth) {
      const ivec taken = load(which.data + block * kLanes + part) != zero;
      if (!anyOf(taken)) continue;
      const size_t first = block * blockFloats(out) + part, end = first + blockFloats(out);
      for (size_t at = first; at < end; at += kLanes)
        store(out.data + at, taken ? load(in.data + at) : load(out.data + at));
    }
}
