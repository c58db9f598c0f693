// Walks a tap plan: which weights stay in the second cache, which inputs in the first.

#include <algorithm>
#include <array>
#include <cstring>

#include "kernels/cpu/tap_plan.h"

namespace bulwark {
namespace {

// Weights that are walked tile after tile stay within this many floats: half of a 2 MiB cache.
constexpr size_t kResidentWeights = size_t{1} << 18;

/// What stays resident: slabs [firstSlab, endSlab), panels [firstPanel, endPanel).
struct Resident {
  int firstSlab, endSlab;
  int firstPanel, endPanel;
};

struct Walk {
  const TapPlan& plan;
  const KernelTable& kernels;
  View in, out;
  bool accumulate;
};

void clearOutputs(const Walk& walk, const TapPlan::Class& pixels, int group) {
  for (int block = 0; block < walk.out.blocks; ++block)
    for (const int32_t place : pixels.places) {
      float* at =
          walk.out.data + place +
          (static_cast<size_t>(block) * walk.plan.outFeatures + group * walk.plan.groupStride) * kLanes;
      std::memset(at, 0, sizeof(float) * kLanes * walk.plan.outputs);
    }
}

/// Walks the positions of a class, block by block and pixel by pixel.
class Cursor {
 public:
  Cursor(const Walk& walk, const TapPlan::Class& pixels, int group)
      : pixels_(pixels),
        inBlock_(static_cast<size_t>(walk.plan.inFeatures) * kLanes),
        outBlock_(static_cast<size_t>(walk.plan.outFeatures) * kLanes),
        in_(walk.in.data + static_cast<size_t>(group) * walk.plan.depth * kLanes),
        out_(walk.out.data + static_cast<size_t>(group) * walk.plan.groupStride * kLanes) {}

  const float* in() const { return in_; }
  const int32_t* offsets() const { return pixels_.offsets.data() + pixel_ * pixels_.columns; }
  float* out() const { return out_ + pixels_.places[pixel_]; }
  void advance() {
    if (++pixel_ < pixels_.places.size()) return;
    pixel_ = 0;
    in_ += inBlock_;
    out_ += outBlock_;
  }

 private:
  const TapPlan::Class& pixels_;
  size_t inBlock_, outBlock_;
  const float* in_;
  float* out_;
  size_t pixel_ = 0;
};

struct Tile {
  std::array<const float*, kMaxPositions> in;
  std::array<const int32_t*, kMaxPositions> offsets;
  std::array<float*, kMaxPositions> out;
  int count;
};

void walkTile(const Walk& walk, const TapPlan::Class& pixels, const Resident& resident, const float* weights,
              const Tile& tile) {
  const TapPlan& plan = walk.plan;
  std::array<float*, kMaxPositions> out;
  for (size_t p = 0; p < pixels.parts.size(); ++p) {
    const TapPlan::Class::Part& part = pixels.parts[p];
    if (part.slab < resident.firstSlab || part.slab >= resident.endSlab) continue;
    const TapPlan::Slab& slab = plan.slabs[part.slab];
    for (int panel = resident.firstPanel; panel < resident.endPanel; ++panel) {
      const int begin = plan.panels[panel], height = plan.panels[panel + 1] - begin;
      const bool scatters = !plan.targets.empty();
      for (int i = 0; i < tile.count; ++i)
        out[i] = scatters ? tile.out[i] : tile.out[i] + static_cast<size_t>(begin) * kLanes;
      walk.kernels.taps[height][tile.count]({tile.in.data(), tile.offsets.data(), out.data(),
                                             weights + slab.weights + static_cast<size_t>(slab.depth) * begin,
                                             pixels.segments.data() + part.firstSegment, part.segmentCount,
                                             walk.accumulate || p > 0,
                                             scatters ? plan.targets.data() + begin : nullptr});
    }
  }
}

void walkClass(const Walk& walk, const TapPlan::Class& pixels, const Resident& resident, int group) {
  const size_t positions = pixels.places.size() * walk.in.blocks;
  const size_t most = walk.kernels.maxPositions[walk.plan.tallest];
  const size_t tiles = (positions + most - 1) / most;
  const float* weights = walk.plan.weights.data() + group * walk.plan.groupWeights();
  Cursor cursor(walk, pixels, group);
  Tile tile;
  for (size_t i = 0, begin = 0; i < tiles; ++i) {
    const size_t end = positions * (i + 1) / tiles;
    tile.count = static_cast<int>(end - begin);
    for (int position = 0; position < tile.count; ++position, cursor.advance()) {
      tile.in[position] = cursor.in();
      tile.offsets[position] = cursor.offsets();
      tile.out[position] = cursor.out();
    }
    walkTile(walk, pixels, resident, weights, tile);
    begin = end;
  }
}

/// Calls `visit` with pieces of the weights of about kResidentWeights floats.
template <typename Visit>
void eachResident(const TapPlan& plan, Visit visit) {
  const int panelCount = static_cast<int>(plan.panels.size()) - 1,
            slabCount = static_cast<int>(plan.slabs.size());
  for (int slab = 0; slab < slabCount;) {
    int end = slab;
    size_t floats = 0;
    do {
      floats += static_cast<size_t>(plan.slabs[end].depth) * plan.outputs;
      ++end;
    } while (end < slabCount &&
             floats + static_cast<size_t>(plan.slabs[end].depth) * plan.outputs <= kResidentWeights);
    const int pieces =
        std::min(panelCount, static_cast<int>((floats + kResidentWeights - 1) / kResidentWeights));
    for (int piece = 0; piece < pieces; ++piece)
      visit(Resident{slab, end, panelCount * piece / pieces, panelCount * (piece + 1) / pieces});
    slab = end;
  }
}

}  // namespace

void applyTaps(const TapPlan& plan, const KernelTable& kernels, View in, View out, bool accumulate) {
  const Walk walk{plan, kernels, in, out, accumulate};
  for (int group = 0; group < plan.groups; ++group) {
    if (!accumulate)
      for (const TapPlan::Class& pixels : plan.classes)
        if (pixels.parts.empty()) clearOutputs(walk, pixels, group);
    eachResident(plan, [&](const Resident& resident) {
      for (const TapPlan::Class& pixels : plan.classes)
        if (!pixels.parts.empty()) walkClass(walk, pixels, resident, group);
    });
  }
}

}  // namespace bulwark
