// A matrix product or convolution laid out for the tap kernels: packed weights, and for every output pixel
// where its inputs lie.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/cpu/kernel_table.h"
#include "kernels/tap_problem.h"

namespace bulwark {

struct TapPlan {
  /// A stretch of the sum, small enough that a tile's inputs stay in the nearest cache.
  struct Slab {
    size_t weights;  // floats from the start of a group's weights
    int depth;
  };
  /// Output pixels whose taps touch the same kernel elements: the interior, each border, each residue of a
  /// stride.
  struct Class {
    struct Part {
      int slab;
      int firstSegment, segmentCount;
    };
    std::vector<Part> parts;
    std::vector<TapSegment> segments;
    std::vector<int32_t> places;   // per pixel: floats from the start of a block to the first output
    std::vector<int32_t> offsets;  // [pixel][column]: floats from the start of a block
    int columns = 0;
  };

  int groups = 1, depth = 0, outputs = 0;
  int inFeatures = 0, outFeatures = 0;
  int groupStride = 0;
  std::vector<int32_t> targets;  // floats; empty: outputs lie side by side
  std::vector<int> panels;       // first output of each panel, then `outputs`; heights differ by at most one
  int tallest = 0;
  std::vector<Slab> slabs;
  std::vector<Class> classes;
  std::vector<float> weights;  // [group][slab][panel][depth][outputs of the panel]

  size_t groupWeights() const { return weights.size() / groups; }
};

TapPlan makeTapPlan(const TapProblem& problem, const KernelTable& kernels);

/// out (+)= plan * in, block by block.
void applyTaps(const TapPlan& plan, const KernelTable& kernels, View in, View out, bool accumulate);

}  // namespace bulwark
