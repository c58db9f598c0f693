// The table of this instruction set. The tile sizes keep the accumulators, one vector per position and one
// weight within the registers.

#if BULWARK_WIDTH == 16
#define BULWARK_TILES(tile) \
  tile(1, 8) tile(2, 8) tile(3, 7) tile(4, 6) tile(5, 4) tile(6, 4) tile(7, 3) tile(8, 3)
constexpr int kWidestTile = 8;
#elif BULWARK_WIDTH == 8
#define BULWARK_TILES(tile) tile(1, 3) tile(2, 2) tile(3, 1) tile(4, 1) tile(5, 1) tile(6, 1)
constexpr int kWidestTile = 6;
#else
#define BULWARK_TILES(tile) tile(1, 2) tile(2, 1)
constexpr int kWidestTile = 2;
#endif

template <int outputs, int positions>
struct FillTiles {
  static constexpr void in(KernelTable& filled) {
    filled.taps[outputs][positions] = taps<outputs, positions>;
    filled.dense.tiles[outputs][positions] = denseTile<outputs, positions, false>;
    filled.dense.turnedTiles[outputs][positions] = denseTile<outputs, positions, true>;
    if constexpr (positions > 1) FillTiles<outputs, positions - 1>::in(filled);
  }
};

static constexpr KernelTable makeTable() {
  KernelTable made{};
  made.name = BULWARK_NAME;
  made.maxOutputs = kWidestTile;
#define BULWARK_FILL(outputs, positions)  \
  made.maxPositions[outputs] = positions; \
  FillTiles<outputs, positions>::in(made);
  BULWARK_TILES(BULWARK_FILL)
#undef BULWARK_FILL
  made.scale = scale;
  made.index = index;
  made.indexAdjoint = indexAdjoint;
  made.addBias = addBias;
  made.copy = copy;
  made.gather = gather;
  made.select = select;
  made.reluDual = reluDual;
  made.reluAscend = reluAscend;
  made.slopes = slopes;
  made.losses = losses;
  made.norm2 = norm2;
  made.inputDual = inputDual;
  made.deflect = deflect;
  made.midRadius = midRadius;
  made.ballBox = ballBox;
  made.intersectBox = intersectBox;
  made.reluBox = reluBox;
  made.relu = relu;
  made.reluMask = reluMask;
  made.dot = dot;
  made.keepBest = keepBest;
  made.descend = descend;
  made.noise = noise;
  made.dense.unary = denseUnary;
  made.dense.binary = denseBinary;
  made.dense.scale = denseScale;
  made.dense.combine = denseCombine;
  made.dense.addSum = denseAddSum;
  made.dense.addTo = denseAddTo;
  made.dense.adam = denseAdam;
  made.dense.gate = denseGate;
  made.dense.signStep = denseSignStep;
  made.dense.uniform = denseUniform;
  made.dense.pack = densePack;
  return made;
}

constinit const KernelTable table = makeTable();
