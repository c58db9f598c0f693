#include "search/refine.h"

#include <algorithm>
#include <numeric>

namespace bulwark {

namespace {

/// Fewer subproblems than this for a tree are not worth its root.
constexpr long kLeastTree = 2;

/// Neurons' trees are many and small: splits are taken by their scores, without trials of several.
SearchOptions treeOptions(const SearchOptions& search) {
  return {.candidates = 1,
          .trialSteps = 10,
          .steps = 0,
          .batch = 256,
          .memory = search.memory,
          .leaves = search.leaves,
          .ownBounds = true,
          .learningRate = 0.1};
}

/// Some rows of another source.
class SomeRows final : public RowSource {
 public:
  SomeRows(const RowSource& all, const std::vector<long>& which) : all_(all), which_(which) {}

  long count() const override { return static_cast<long>(which_.size()); }
  int image(long row) const override { return all_.image(which_[row]); }
  double constant(long row) const override { return all_.constant(which_[row]); }
  void stage(Backend& backend, const std::vector<long>& rows, View staging) const override {
    std::vector<long> of(rows.size(), -1);
    for (size_t r = 0; r < rows.size(); ++r) {
      if (rows[r] >= 0) of[r] = which_[rows[r]];
    }
    all_.stage(backend, of, staging);
  }

 private:
  const RowSource& all_;
  const std::vector<long>& which_;
};

}  // namespace

TreeRefiner::TreeRefiner(int images, Workers& workers, const DualPreset& preset, const SearchOptions& search,
                         const StopCheck& stop)
    : workers_(workers),
      preset_(preset),
      subproblems_(search.boxSubproblems),
      tree_(treeOptions(search)),
      bounded_(images, 0),
      stop_(stop) {}

void TreeRefiner::refine(const Images& images, int node, const NeuronRows& source, RowResults& results,
                         std::vector<std::vector<Leaf>>& leaves) {
  // The nearer end first: where that passes the kink, the other does not matter any more.
  std::vector<long> near, far;
  for (long row = 0; row < source.count(); row += 2) {
    if (std::max(results.lower[row], results.lower[row + 1]) > 0) continue;
    near.push_back(results.lower[row] > results.lower[row + 1] ? row : row + 1);
  }
  grow(images, node, source, near, results, leaves);
  for (const long row : near) {
    if (!(results.lower[row] > 0)) far.push_back(row ^ 1);
  }
  grow(images, node, source, far, results, leaves);
}

void TreeRefiner::grow(const Images& images, int node, const NeuronRows& source,
                       const std::vector<long>& which, RowResults& results,
                       std::vector<std::vector<Leaf>>& leaves) {
  std::vector<long> sharing(images.count(), 0);
  for (const long row : which) ++sharing[source.image(row)];
  std::vector<long> chosen;
  for (const long row : which) {
    if (subproblems_ / 2 / sharing[source.image(row)] >= kLeastTree) chosen.push_back(row);
  }
  if (chosen.empty()) return;

  const SomeRows rows(source, chosen);
  RowResults roots(rows.count());
  Budgets budgets{std::vector<int>(chosen.size()), {}};
  std::iota(budgets.unit.begin(), budgets.unit.end(), 0);
  for (size_t i = 0; i < chosen.size(); ++i) {
    roots.lower[i] = results.lower[chosen[i]];
    roots.multipliers.push_back(results.multipliers[chosen[i]]);
    budgets.most.push_back(subproblems_ / 2 / sharing[source.image(chosen[i])]);
  }
  SearchResult found = searchRows(rows, roots, images, budgets, workers_, node, preset_, tree_, stop_, {});
  for (size_t i = 0; i < chosen.size(); ++i) bounded_[source.image(chosen[i])] += found.subproblems[i];
  for (Subproblem& open : found.open) {
    found.lower[open.row] = std::min(found.lower[open.row], open.bound);
    if (!tree_.leaves) continue;
    if (open.start) {
      found.leaves[open.row].push_back({std::move(open.splits), *open.start, open.bound});
    } else {
      found.lost[open.row] = 1;  // what proves it found no room
    }
  }
  for (size_t i = 0; i < chosen.size(); ++i) {
    const long row = chosen[i];
    if (found.lost[i] || !(found.lower[i] > results.lower[row])) continue;
    results.lower[row] = found.lower[i];
    if (!tree_.leaves) continue;
    leaves[row] = std::move(found.leaves[i]);
    for (const Leaf& leaf : leaves[row]) tree_.memory -= std::min(tree_.memory, bytesOf(leaf));
  }
}

}  // namespace bulwark
