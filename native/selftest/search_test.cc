// Branch and bound: never above the true minimum, decided where every side of every kink can be tried, leaves
// that cover and prove.
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "network/reference.h"
#include "selftest/harness.h"
#include "selftest/search_problems.h"

namespace bulwark::selftest {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

const Test sound("search: no point goes below a bound, in any region", [](Context& context) {
  Random& random = context.random;
  int proven = 0, split = 0;
  for (int i = 0; i < 60; ++i) {
    Problem problem(searchGraph(random));
    const Region region = randomRegion(random, problem.network.inputSize(), 2, std::exp(normal(random) - 1));
    const Specification rows = rowsNear(random, problem.network, region, 2, {-0.1, 0.02, 0.2}, 50);
    const CompleteResult result = problem.search(region, rows, {.subproblems = 150});
    for (int image = 0; image < 2; ++image) {
      split += result.subproblems[image] > 0;
      context.check(!result.timedOut[image], "no time limit, none reached");
      for (int row = 0; row < 2; ++row) {
        const double bound = result.lower[image * 2 + row];
        proven += bound > 0;
        context.check(bound > -kInfinity, "a bound for every row");
        for (int p = 0; p < 200; ++p) {
          const std::vector<double> x = samplePoint(random, region, image);
          const double value = valueAt(problem.network, rows, image, row, x);
          context.check(bound <= value + kRounding * (1 + std::fabs(value)), "a point below the bound");
        }
      }
    }
  }
  context.check(proven > 20 && split > 20, "rows are proven, and only by splits: " + std::to_string(proven) +
                                               ", " + std::to_string(split));
});

std::vector<graph::Node> tinyGraph(Random& random) {
  GraphBuilder b({2});
  const int first = b.relu(b.linear(random, 0, {8}));
  b.linear(random, b.relu(b.linear(random, first, {6})), {2});
  return b.nodes;
}

/// The row's least value on a grid over the region: above the minimum by no more than the grid's pitch
/// allows.
double leastOnGrid(const Network& network, const Region& region, const Specification& rows, int row) {
  constexpr int kSteps = 60;
  double least = kInfinity;
  const double eps = region.eps.empty() ? 0 : region.eps[0];
  for (int i = -kSteps; i <= kSteps; ++i) {
    for (int j = -kSteps; j <= kSteps; ++j) {
      const double at[2] = {i / double{kSteps}, j / double{kSteps}};
      std::vector<double> x(2);
      double length = 0;
      bool inside = true;
      for (int k = 0; k < 2; ++k) {
        if (region.kind == InputKind::box) {
          x[k] = region.lower[k] + (at[k] + 1) / 2 * (region.upper[k] - region.lower[k]);
        } else {
          x[k] = region.center[k] + eps * at[k];
          length += region.kind == InputKind::l1 ? std::fabs(at[k]) : at[k] * at[k];
          inside = inside && (region.lower.empty() || (x[k] >= region.lower[k] && x[k] <= region.upper[k]));
        }
      }
      if (inside && length <= 1) least = std::min(least, valueAt(network, rows, 0, row, x));
    }
  }
  return least;
}

const Test complete("search: tiny networks are decided as a fine grid decides them", [](Context& context) {
  Random& random = context.random;
  int positive = 0, negative = 0, split = 0, undecided = 0, missed = 0;
  for (int i = 0; i < 150; ++i) {
    Problem problem(tinyGraph(random));
    const Region region = randomRegion(random, 2, 1, 2);
    const Specification rows = rowsNear(random, problem.network, region, 1, {-0.3, -0.1, 0.1, 0.2, 0.4}, 300);
    const double least = leastOnGrid(problem.network, region, rows, 0);
    if (!(std::fabs(least) > 0.05)) continue;
    const CompleteResult result = problem.search(region, rows, {.subproblems = 2000});
    split += result.subproblems[0] > 0;
    if (least < 0) {
      ++negative;
      context.check(result.lower[0] <= 0, "a false row is not proven");
      context.check(result.lower[0] <= least + kRounding, "nor bounded above a value it takes");
    } else {
      ++positive;
      undecided += !(result.lower[0] > 0);
    }
    const CompleteResult attacked = problem.search(region, rows, {.subproblems = 2000, .falsify = true});
    const AttackResult& found = *attacked.attack;
    const bool falsified = attacked.limit[0] == Limit::falsified;
    context.check(falsified == (found.margin[0] < 0), "falsified by what the attack found");
    context.check(falsified || attacked.lower == result.lower,
                  "an attack that finds nothing changes nothing");
    missed += least < 0 && !falsified;
    if (!falsified) continue;
    context.check(isInside(region, 0, found.point.data(), 2), "a counterexample outside");
    const double value = valueAt(problem.network, rows, 0, 0, found.point);
    context.check(value < 0 && std::fabs(value - found.margin[0]) < 1e-9,
                  "a counterexample of another value");
    context.check(!(attacked.lower[0] > 0), "proven and falsified");
  }
  context.check(positive > 30 && negative > 30 && split > 20, "of every kind: " + std::to_string(positive) +
                                                                  ", " + std::to_string(negative) + ", " +
                                                                  std::to_string(split));
  context.check(undecided == 0, std::to_string(undecided) + " true rows are not proven");
  // Descents may end elsewhere: an attack has no guarantee, but finds nearly all.
  context.check(20 * missed <= negative,
                std::to_string(missed) + " false rows are not falsified, of " + std::to_string(negative));
});

bool takes(const std::vector<Split>& splits, const std::vector<std::vector<double>>& active) {
  return std::all_of(splits.begin(), splits.end(), [&](const Split& split) {
    const double z = active[split.relu][split.feature];
    return split.active ? z >= 0 : z <= 0;
  });
}

/// Pre-activations of all ReLUs at x, in topological order.
std::vector<std::vector<double>> preActivations(const Network& network, const std::vector<double>& x) {
  const std::vector<std::vector<double>> values = reference::forwardAll(network, x.data());
  std::vector<std::vector<double>> all;
  for (const Node& node : network.nodes) {
    if (node.kind == NodeKind::relu) all.push_back(values[node.inputs[0]]);
  }
  return all;
}

const Test leaves(
    "search: leaves cover the region, and each is proven by its multipliers", [](Context& context) {
      Random& random = context.random;
      int trees = 0, largest = 0;
      for (int i = 0; i < 60; ++i) {
        Problem problem(searchGraph(random));
        const Region region =
            randomRegion(random, problem.network.inputSize(), 1, std::exp(normal(random) - 1));
        const Specification rows = rowsNear(random, problem.network, region, 2, {0.03, 0.1, 0.3}, 50);
        const SearchOptions options{.subproblems = 400, .headroom = 1e-5, .leaves = true};
        const CompleteResult result = problem.search(region, rows, options);
        const std::vector<double> proven = problem.proven(region, rows, options).lower;
        for (int row = 0; row < 2; ++row) {
          const std::vector<Leaf>& tree = result.leaves[row];
          if (tree.empty()) {
            context.check(proven[row] == -kInfinity, "without leaves nothing is proven");
            continue;
          }
          ++trees;
          largest = std::max(largest, static_cast<int>(tree.size()));
          double least = kInfinity;
          for (const Leaf& leaf : tree) least = std::min(least, leaf.bound);
          context.check(least == result.lower[row] && least > 0, "a proven row's bound is its worst leaf's");
          // The bound of a leaf that no point reaches may be anything above 0; those of others are alike.
          context.check(proven[row] > 0, "every leaf is proven again, from its multipliers alone");
          for (int p = 0; p < 40; ++p) {
            const auto z = preActivations(problem.network, samplePoint(random, region, 0));
            context.check(std::any_of(tree.begin(), tree.end(),
                                      [&](const Leaf& leaf) { return takes(leaf.splits, z); }),
                          "a point in no leaf");
          }
          // As trees: two leaves differ in the side of some neuron.
          double share = 0;
          for (const Leaf& leaf : tree) share += std::ldexp(1.0, -static_cast<int>(leaf.splits.size()));
          context.check(share == 1, "leaves are those of a binary tree");
        }
      }
      context.check(trees > 25 && largest > 2,
                    "trees of splits: " + std::to_string(trees) + ", largest " + std::to_string(largest));
    });

const Test trees(
    "search: boxes by trees of splits are tighter, proven, and hold every point", [](Context& context) {
      Random& random = context.random;
      int split = 0, better = 0, worse = 0;
      for (int i = 0; i < 60; ++i) {
        Problem problem(searchGraph(random));
        const Region region =
            randomRegion(random, problem.network.inputSize(), 2, std::exp(normal(random) - 1));
        const Specification rows = rowsNear(random, problem.network, region, 2, {-0.1, 0.02, 0.2}, 50);
        const SearchOptions none{.subproblems = 0, .boxSubproblems = 1};
        const SearchOptions some{.subproblems = 0, .boxSubproblems = 300, .headroom = 1e-5, .leaves = true};
        const CompleteResult plain = problem.search(region, rows, none);
        const CompleteResult result = problem.search(region, rows, some);
        const std::vector<double> proven = problem.proven(region, rows, some).lower;
        for (const BoxClaim& claim : result.boxes) split += !claim.splits.empty();
        for (int image = 0; image < 2; ++image) {
          for (int row = 0; row < 2; ++row) {
            const size_t at = image * 2 + row;
            // Ascents end where they are proven.
            const double before = std::min(plain.lower[at], 0.0), after = std::min(result.lower[at], 0.0);
            better += after > before + 1e-3;
            worse += after < before - 1e-3;
            context.check((proven[at] > 0) == (result.lower[at] > 0), "what is believed is proven");
            for (int p = 0; p < 100; ++p) {
              const std::vector<double> x = samplePoint(random, region, image);
              const double value = valueAt(problem.network, rows, image, row, x);
              context.check(result.lower[at] <= value + kRounding * (1 + std::fabs(value)),
                            "a point below the bound");
            }
          }
        }
      }
      context.check(split > 200 && better > 20 && worse * 10 < better,
                    "boxes by splits: " + std::to_string(split) + ", better bounds " +
                        std::to_string(better) + ", worse " + std::to_string(worse));
    });

}  // namespace
}  // namespace bulwark::selftest
