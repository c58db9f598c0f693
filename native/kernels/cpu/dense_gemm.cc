// Matrix products on the tap kernels: b's columns become lanes, a's rows become the outputs of register
// tiles, and c is built in lanes and unpacked at the end. Packing costs O(mk + kn + mn) beside O(mkn).

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "kernels/cpu/dense_scratch.h"
#include "kernels/cpu/kernel_table.h"

namespace bulwark {
namespace {

// As in tap plans: the lanes of one tile then stay in the nearest cache.
constexpr int kSlabDepth = 192;
// Below this a product takes less time than waking a thread.
constexpr double kFlopsPerTask = 4e6;

int parts(int count, int most) { return (count + most - 1) / most; }
int start(int count, int pieces, int piece) {
  return static_cast<int>(static_cast<int64_t>(count) * piece / pieces);
}

/// How a product is cut: rows of a in panels, columns of b in blocks of lanes, the sum in slabs.
struct Cut {
  Gemm problem;
  const KernelTable& kernels;
  int panels, blocks, slabs;
  float* a;  // [slab][panel][depth][rows of the panel]
  float* b;  // [block][k][lane]
  float* c;  // [block][row][lane]

  int panelRow(int panel) const { return start(problem.m, panels, panel); }
  int slabRow(int slab) const { return start(problem.k, slabs, slab); }

  void packPanel(int panel) const {
    const int begin = panelRow(panel), rows = panelRow(panel + 1) - begin;
    const size_t m = static_cast<size_t>(problem.m), k = static_cast<size_t>(problem.k);
    const size_t rowStep = problem.transposeA ? 1 : k, columnStep = problem.transposeA ? m : 1;
    for (int slab = 0; slab < slabs; ++slab) {
      const int first = slabRow(slab), depth = slabRow(slab + 1) - first;
      const float* from =
          problem.a + static_cast<size_t>(begin) * rowStep + static_cast<size_t>(first) * columnStep;
      float* to =
          a + m * static_cast<size_t>(first) + static_cast<size_t>(depth) * static_cast<size_t>(begin);
      kernels.dense.pack(from, rowStep, columnStep, depth, rows, rows, to);
    }
  }

  void packBlock(int block) const {
    const int begin = block * kLanes, columns = std::min(kLanes, problem.n - begin);
    const size_t n = static_cast<size_t>(problem.n), k = static_cast<size_t>(problem.k);
    const size_t rowStep = problem.transposeB ? k : 1, columnStep = problem.transposeB ? 1 : n;
    kernels.dense.pack(problem.b + static_cast<size_t>(begin) * rowStep, rowStep, columnStep, problem.k,
                       columns, kLanes, b + static_cast<size_t>(block) * k * kLanes);
  }

  /// Panels [firstPanel, endPanel) by blocks [firstBlock, endBlock), packed operands to c.
  void multiply(int firstPanel, int endPanel, int firstBlock, int endBlock) const {
    static constexpr std::array<int32_t, 1> kNoOffset{0};
    const size_t m = static_cast<size_t>(problem.m), k = static_cast<size_t>(problem.k);
    int tallest = 0;
    for (int panel = firstPanel; panel < endPanel; ++panel)
      tallest = std::max(tallest, panelRow(panel + 1) - panelRow(panel));
    const int count = endBlock - firstBlock, groups = parts(count, kernels.maxPositions[tallest]);
    std::array<const float*, kMaxPositions> in;
    std::array<const int32_t*, kMaxPositions> offsets;
    std::array<float*, kMaxPositions> out;
    offsets.fill(kNoOffset.data());
    for (int slab = 0; slab < slabs; ++slab) {
      const size_t first = static_cast<size_t>(slabRow(slab));
      const TapSegment segment{0, slabRow(slab + 1) - static_cast<int>(first), 0};
      for (int group = 0; group < groups; ++group) {
        const int begin = firstBlock + start(count, groups, group);
        const int positions = firstBlock + start(count, groups, group + 1) - begin;
        for (int panel = firstPanel; panel < endPanel; ++panel) {
          const int row = panelRow(panel);
          for (int i = 0; i < positions; ++i) {
            const size_t block = static_cast<size_t>(begin + i);
            in[i] = b + (block * k + first) * kLanes;
            out[i] = c + (block * m + static_cast<size_t>(row)) * kLanes;
          }
          kernels.taps[panelRow(panel + 1) - row][positions](
              {in.data(), offsets.data(), out.data(),
               a + m * first + static_cast<size_t>(segment.length) * static_cast<size_t>(row), &segment, 1,
               slab > 0, nullptr});
        }
      }
    }
  }

  void unpack(int firstPanel, int endPanel, int firstBlock, int endBlock) const {
    const size_t m = static_cast<size_t>(problem.m), n = static_cast<size_t>(problem.n);
    const int row = panelRow(firstPanel), rows = panelRow(endPanel) - row;
    for (int block = firstBlock; block < endBlock; ++block) {
      const int column = block * kLanes;
      kernels.dense.unpack(c + (static_cast<size_t>(block) * m + static_cast<size_t>(row)) * kLanes, rows,
                           std::min(kLanes, problem.n - column), n, problem.accumulate,
                           problem.c + static_cast<size_t>(row) * n + column);
    }
  }
};

}  // namespace

void Dense::gemm(const Gemm& problem) {
  const size_t m = static_cast<size_t>(problem.m), n = static_cast<size_t>(problem.n),
               k = static_cast<size_t>(problem.k);
  if (m * n == 0) return;
  if (k == 0) {
    if (!problem.accumulate) std::fill_n(problem.c, m * n, 0.0f);
    return;
  }
  const int blocks = parts(problem.n, kLanes);
  const size_t lanes = static_cast<size_t>(blocks) * kLanes;
  const Cut cut{problem,
                kernels_,
                parts(problem.m, kernels_.maxOutputs),
                blocks,
                parts(problem.k, kSlabDepth),
                packedA_->floats(m * k),
                packedB_->floats(lanes * k),
                packedC_->floats(lanes * m)};
  const double flops = 2.0 * problem.m * problem.n * problem.k;
  const int tasks = std::clamp(static_cast<int>(flops / kFlopsPerTask), 1, threads());
  const bool byRows = cut.panels >= cut.blocks;
  const auto share = [&](int count, long task) { return start(count, tasks, static_cast<int>(task)); };
  // Each task packs its share of the operand that is cut; the other one is packed before, in shares too.
  const auto packShare = [&](bool rows, long task) {
    const int count = rows ? cut.panels : cut.blocks;
    for (int i = share(count, task); i < share(count, task + 1); ++i)
      rows ? cut.packPanel(i) : cut.packBlock(i);
  };
  pool_.parallelFor(tasks, [&](long task, int) { packShare(!byRows, task); });
  pool_.parallelFor(tasks, [&](long task, int) {
    packShare(byRows, task);
    const int firstPanel = byRows ? share(cut.panels, task) : 0;
    const int endPanel = byRows ? share(cut.panels, task + 1) : cut.panels;
    const int firstBlock = byRows ? 0 : share(cut.blocks, task);
    const int endBlock = byRows ? cut.blocks : share(cut.blocks, task + 1);
    if (firstPanel == endPanel || firstBlock == endBlock) return;
    cut.multiply(firstPanel, endPanel, firstBlock, endBlock);
    cut.unpack(firstPanel, endPanel, firstBlock, endBlock);
  });
}

}  // namespace bulwark
