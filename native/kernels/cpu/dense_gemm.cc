// Matrix products of row-major arrays by register tiles: rows of a by blocks of b's columns. b is packed only
// where its columns would not load as vectors: when it is stored as its transpose, and where it ends within a
// block. What one entry of c sums in which order depends on k alone, not on threads or tiles.

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "kernels/cpu/cpu_dense.h"
#include "kernels/cpu/kernel_table.h"
#include "kernels/flush_to_zero.h"

namespace bulwark {
namespace {

// As in tap plans: the columns of one tile then stay in the nearest cache.
constexpr int kSlabDepth = 192;
// Below this a product takes less time than waking a thread.
constexpr double kFlopsPerTask = 4e6;

int parts(int count, int most) { return (count + most - 1) / most; }
int start(int count, int pieces, int piece) {
  return static_cast<int>(static_cast<int64_t>(count) * piece / pieces);
}

/// How a product is cut: rows of a in panels, columns of b in groups of blocks of lanes, the sum in slabs.
struct Cut {
  Gemm problem;
  const KernelTable& kernels;
  int panels, blocks, groups, slabs;
  float* packed;  // [group][k][lanes of the group], of the groups that are packed

  int panelRow(int panel) const { return start(problem.m, panels, panel); }
  int slabRow(int slab) const { return start(problem.k, slabs, slab); }
  int groupBlock(int group) const { return start(blocks, groups, group); }
  int groupColumns(int group) const {
    return std::min(problem.n, groupBlock(group + 1) * kLanes) - groupBlock(group) * kLanes;
  }
  int groupLanes(int group) const { return (groupBlock(group + 1) - groupBlock(group)) * kLanes; }
  bool isPacked(int group) const { return problem.transposeB || groupColumns(group) < groupLanes(group); }
  float* packedGroup(int group) const {
    return packed + static_cast<size_t>(groupBlock(group) * kLanes) * static_cast<size_t>(problem.k);
  }

  void pack(int group) const {
    if (!isPacked(group)) return;
    const size_t column = static_cast<size_t>(groupBlock(group) * kLanes);
    const size_t n = static_cast<size_t>(problem.n), k = static_cast<size_t>(problem.k);
    const size_t rowStep = problem.transposeB ? k : 1, columnStep = problem.transposeB ? 1 : n;
    kernels.dense.pack(problem.b + column * rowStep, rowStep, columnStep, problem.k, groupColumns(group),
                       groupLanes(group), packedGroup(group));
  }

  void multiply(int firstPanel, int endPanel, int firstGroup, int endGroup) const {
    const FlushToZero flush;
    for (int slab = 0; slab < slabs; ++slab)
      for (int group = firstGroup; group < endGroup; ++group)
        for (int panel = firstPanel; panel < endPanel; ++panel) multiply(slab, group, panel);
  }

 private:
  void multiply(int slab, int group, int panel) const {
    const size_t m = static_cast<size_t>(problem.m), n = static_cast<size_t>(problem.n),
                 k = static_cast<size_t>(problem.k);
    const size_t row = static_cast<size_t>(panelRow(panel)), depth = static_cast<size_t>(slabRow(slab));
    const size_t column = static_cast<size_t>(groupBlock(group) * kLanes);
    const size_t bStep = isPacked(group) ? static_cast<size_t>(groupLanes(group)) : n;
    const float* b = isPacked(group) ? packedGroup(group) : problem.b + column;
    const bool last = slab + 1 == slabs;
    const DenseTile tile{
        .a = problem.a + (problem.transposeA ? depth * m + row : row * k + depth),
        .aStep = problem.transposeA ? m : k,
        .b = b + depth * bStep,
        .bStep = bStep,
        .c = problem.c + row * n + column,
        .cStep = n,
        .depth = slabRow(slab + 1) - slabRow(slab),
        .columns = groupColumns(group),
        .accumulate = problem.accumulate || slab > 0,
        .relu = last && problem.relu,
        .bias = last && problem.bias ? problem.bias + column : nullptr,
    };
    const auto& tiles = problem.transposeA ? kernels.dense.turnedTiles : kernels.dense.tiles;
    tiles[panelRow(panel + 1) - panelRow(panel)][groupLanes(group) / kLanes](tile);
  }
};

}  // namespace

void CpuDense::gemm(const Gemm& problem) {
  if (problem.m == 0 || problem.n == 0) return;
  const int panels = parts(problem.m, kernels_.maxOutputs), tallest = parts(problem.m, panels);
  const int blocks = parts(problem.n, kLanes);
  Cut cut{problem,
          kernels_,
          panels,
          blocks,
          parts(blocks, kernels_.maxPositions[tallest]),
          std::max(1, parts(problem.k, kSlabDepth)),
          nullptr};
  const bool packs = cut.isPacked(cut.groups - 1);
  if (packs) cut.packed = packed_.floats(static_cast<size_t>(blocks) * kLanes * problem.k);
  const double flops = 2.0 * problem.m * problem.n * problem.k;
  const int tasks = std::clamp(static_cast<int>(flops / kFlopsPerTask), 1, threads());
  const auto share = [&](int count, long task) { return start(count, tasks, static_cast<int>(task)); };
  // Each task packs the groups that it alone reads; those that all read are packed before, in shares too.
  const auto packShare = [&](long task) {
    for (int i = share(cut.groups, task); i < share(cut.groups, task + 1); ++i) cut.pack(i);
  };
  if (panels >= cut.groups) {
    if (packs) pool_.parallelFor(tasks, [&](long task, int) { packShare(task); });
    pool_.parallelFor(tasks, [&](long task, int) {
      cut.multiply(share(panels, task), share(panels, task + 1), 0, cut.groups);
    });
  } else {
    pool_.parallelFor(tasks, [&](long task, int) {
      packShare(task);
      cut.multiply(0, panels, share(cut.groups, task), share(cut.groups, task + 1));
    });
  }
}

}  // namespace bulwark
