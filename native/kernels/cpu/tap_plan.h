// A matrix product or convolution laid out for the tap kernels: packed weights, and for every output pixel
// where its inputs lie.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/cpu/kernel_table.h"

namespace bulwark {

/// One tap of an output pixel: which kernel element, from which input pixel.
struct Tap {
  int element;
  int source;
};

/// What a plan is made from: out[pixel][m] = sum over taps, k of weight(group, element, k, m) in[source][k].
struct TapProblem {
  int groups = 1;
  int depth = 0;    // input channels of a group
  int outputs = 0;  // output channels of a group
  /// Kernel elements in the order in which they are packed: elements that meet neighbouring input pixels
  /// should be neighbours, for their channels then form one long sum.
  std::vector<int> order;
  std::vector<std::vector<Tap>> taps;  // per output pixel, in that order
  std::vector<float> weight;           // [group][element][depth][outputs], elements by `order`

  /// Where outputs lie, in features of a block: output m of a group at place[pixel] + group * groupStride +
  /// m, or
  /// + targets[m], which adds to what is there because pixels may share outputs.
  std::vector<int> place;
  int groupStride = 0;
  std::vector<int> targets;
  int inFeatures = 0, outFeatures = 0;
};

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
