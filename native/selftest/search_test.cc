// Branch and bound: never above the true minimum, decided where every side of every kink can be tried, leaves
// that cover and prove, limits that hold.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

#include "network/reference.h"
#include "search/complete.h"
#include "selftest/bounds_problems.h"
#include "selftest/harness.h"
#include "selftest/network_graphs.h"
#include "selftest/proof_reference.h"
#include "verdict/proven.h"

namespace bulwark::selftest {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
/// Of the engine's float32, for rows that spread over about 1.
constexpr double kRounding = 1e-4;
const StopCheck never = [] { return false; };

/// Layers, convolutions or a residual block; every affine node feeds a ReLU or the output, as in networks in
/// use (a proof of two affine nodes in a row is weaker than the engine, which folds them).
std::vector<graph::Node> searchGraph(Random& random) {
  const int kind = choose(random, 0, 2);
  GraphBuilder b(kind == 0 ? std::vector<int>{choose(random, 2, 8)} : std::vector<int>{2, 4, 4});
  const auto same = [&](int input, int channels) {
    return b.conv(random, input, channels, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 1);
  };
  if (kind == 0) {
    b.relu(b.linear(random, 0, {choose(random, 4, 14)}));
  } else if (kind == 1) {
    b.relu(b.conv(random, b.relu(same(0, 2)), 3, {2, 2}, {2, 2}, {1, 1}, {0, 0, 0, 0}, 1));
  } else {
    const int stem = b.relu(same(0, 2));
    b.relu(b.sum(same(b.relu(same(stem, 2)), 2), stem));
  }
  const int flat = b.shape(b.last()).size() == 1 ? b.last() : b.reshape(b.last(), {b.size(b.last())});
  b.linear(random, b.relu(b.linear(random, flat, {8})), {3});
  return b.nodes;
}

/// Everything that a search needs, on one thread.
struct Problem {
  explicit Problem(const std::vector<graph::Node>& nodes, int threads = 1)
      : proofNetwork(nodes),
        network(lower(nodes)),
        pool(threads),
        workers(pool),
        prepared(network, workers.main()) {}

  static BoundsOptions boundsOptions(const SearchOptions& options) {
    BoundsOptions bounds{.iterations = 40, .stopWhenProven = true, .headroom = options.headroom};
    bounds.boxes = options.boxSubproblems > 0 ? BoxSource::optimised : BoxSource::crown;
    bounds.multipliers = options.leaves;
    return bounds;
  }

  CompleteResult search(const Region& region, const Specification& rows, const SearchOptions& options,
                        const StopCheck& stop = never) {
    return completeBounds(prepared, region, rows, boundsOptions(options), options, workers, stop, {});
  }

  /// What is proven of rows, from the leaves of the same search alone.
  CompleteResult proven(const Region& region, const Specification& rows, const SearchOptions& options,
                        const StopCheck& stop = never) {
    // Both store inputs and outputs alike (see the test of their parity).
    std::vector<int32_t> input(network.inputSize()), output(network.outputSize());
    std::iota(input.begin(), input.end(), 0);
    std::iota(output.begin(), output.end(), 0);
    const ProofModelSource model = [&](const StopCheck&) { return ProofModel{proofNetwork, input, output}; };
    const BoundsOptions bounds = boundsOptions(options);
    const ProofOptions real;
    return ProvenBounds{prepared, region, rows, bounds, real, model, workers, pool, stop, {}}.search(options);
  }

  const proof::ProofNetwork proofNetwork;
  const Network network;
  ThreadPool pool;
  Workers workers;
  const Prepared prepared;
};

double valueAt(const Network& network, const Specification& rows, int image, int row,
               const std::vector<double>& x) {
  const std::vector<long double> y = exactForward(network, x);
  const double* c = rows.row(image, row, network.outputSize());
  return static_cast<double>(
      std::inner_product(y.begin(), y.end(), c, static_cast<long double>(rows.constant(image, row))));
}

/// Random rows whose sampled values spread over about 1 and begin at one of `gaps`.
Specification rowsNear(Random& random, const Network& network, const Region& region, int rowCount,
                       const std::vector<double>& gaps, int samples) {
  Specification rows{rowCount, {}, {}, false};
  const int outputs = network.outputSize();
  for (int i = 0; i < region.count * rowCount * outputs; ++i) rows.c.push_back(normal(random));
  rows.d.assign(region.count * rowCount, 0);
  for (int image = 0; image < region.count; ++image) {
    std::vector<std::vector<double>> points(samples);
    for (auto& point : points) point = samplePoint(random, region, image);
    for (int row = 0; row < rowCount; ++row) {
      double least = kInfinity, most = -kInfinity;
      for (const auto& point : points) {
        const double value = valueAt(network, rows, image, row, point);
        least = std::min(least, value), most = std::max(most, value);
      }
      const double spread = most - least < 1e-3 ? 1 : most - least;
      for (int j = 0; j < outputs; ++j) rows.c[(image * rowCount + row) * outputs + j] /= spread;
      const double gap = gaps[choose(random, 0, static_cast<int>(gaps.size()) - 1)];
      rows.d[image * rowCount + row] = gap - least / spread;
    }
  }
  return rows;
}

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
  int positive = 0, negative = 0, split = 0, undecided = 0;
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
  }
  context.check(positive > 30 && negative > 30 && split > 20, "of every kind: " + std::to_string(positive) +
                                                                  ", " + std::to_string(negative) + ", " +
                                                                  std::to_string(split));
  context.check(undecided == 0, std::to_string(undecided) + " true rows are not proven");
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

const Test proofsStop("search: proofs that are stopped leave out rows, and say so", [](Context& context) {
  Random& random = context.random;
  int whole = 0, part = 0, none = 0;
  for (int i = 0; i < 20; ++i) {
    Problem problem(searchGraph(random));
    const Region region = randomRegion(random, problem.network.inputSize(), 3, 0.3);
    const Specification rows = rowsNear(random, problem.network, region, 2, {0.1, 0.3}, 50);
    const SearchOptions options{.subproblems = 100, .boxSubproblems = 100, .headroom = 1e-5, .leaves = true};
    int polls = 0;
    const std::vector<double> all =
        problem.proven(region, rows, options, [&polls] { return ++polls < 0; }).lower;
    int inSearch = 0;
    problem.search(region, rows, options, [&inSearch] { return ++inSearch < 0; });
    for (int more = 0; more <= polls - inSearch + 1; ++more) {
      int left = inSearch + more;
      const CompleteResult cut = problem.proven(region, rows, options, [&left] { return left-- <= 0; });
      int kept = 0, lost = 0;
      for (size_t row = 0; row < all.size(); ++row) {
        context.check(cut.lower[row] == all[row] || cut.lower[row] == -kInfinity || cut.timedOut[row / 2],
                      "another bound, not marked");
        context.check(cut.lower[row] <= all[row], "more is proven in less time");
        kept += cut.lower[row] > 0;
        const bool missing = all[row] > 0 && !(cut.lower[row] > 0);
        lost += missing;
        context.check(!missing || cut.timedOut[row / 2], "a row left out, its image not marked");
      }
      whole += lost == 0, part += lost > 0 && kept > 0, none += lost > 0 && kept == 0;
    }
  }
  context.check(whole > 20 && part > 20 && none > 20, std::to_string(whole) + " whole, " +
                                                          std::to_string(part) + " in part, " +
                                                          std::to_string(none) + " not at all");
});

bool sameLeaves(const std::vector<Leaf>& a, const std::vector<Leaf>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i].bound != b[i].bound || a[i].multipliers.slope != b[i].multipliers.slope) return false;
    if (a[i].multipliers.lambda != b[i].multipliers.lambda) return false;
  }
  return true;
}

const Test threads("search: the same result on one thread and on three", [](Context& context) {
  Random& random = context.random;
  for (int i = 0; i < 12; ++i) {
    const auto nodes = searchGraph(random);
    Problem one(nodes), three(nodes, 3);
    const Region region = randomRegion(random, one.network.inputSize(), 5, 0.3);
    const Specification rows = rowsNear(random, one.network, region, 3, {-0.1, 0.05, 0.2}, 30);
    const SearchOptions options{.subproblems = 100, .leaves = true};
    const CompleteResult a = one.search(region, rows, options), b = three.search(region, rows, options);
    context.check(a.lower == b.lower, "bounds");
    context.check(a.subproblems == b.subproblems, "subproblems");
    for (size_t row = 0; row < a.leaves.size(); ++row)
      context.check(sameLeaves(a.leaves[row], b.leaves[row]), "leaves");
  }
});

const Test limits("search: limits on subproblems, memory and time are kept", [](Context& context) {
  Random& random = context.random;
  int limited = 0, poor = 0, stopped = 0;
  for (int i = 0; i < 25; ++i) {
    Problem problem(searchGraph(random));
    const Region region = randomRegion(random, problem.network.inputSize(), 2, 0.5);
    const Specification rows = rowsNear(random, problem.network, region, 2, {-0.05, 0.02}, 30);
    SearchOptions options{.subproblems = 20, .batch = 4};
    const CompleteResult few = problem.search(region, rows, options);
    for (int image = 0; image < 2; ++image) {
      limited += few.subproblems[image] >= 20;
      context.check(few.subproblems[image] < 20 + 2 * options.batch, "no more than a round beyond the limit");
      context.check(!few.timedOut[image], "the limit is not one of time");
    }
    options.subproblems = 0;
    const CompleteResult none = problem.search(region, rows, options);
    context.check(none.subproblems == std::vector<int64_t>(2, 0), "0 subproblems: none");

    // Without room the children start afresh: weaker, but as sound; and no leaves can be kept.
    SearchOptions cramped{.subproblems = 60, .memory = 0};
    const CompleteResult fresh = problem.search(region, rows, cramped);
    cramped.leaves = true;
    const CompleteResult leafless = problem.search(region, rows, cramped);
    for (int row = 0; row < 4; ++row) {
      context.check(fresh.lower[row] > -kInfinity, "bounds without memory");
      for (int p = 0; p < 40; ++p) {
        const std::vector<double> x = samplePoint(random, region, row / 2);
        const double value = valueAt(problem.network, rows, row / 2, row % 2, x);
        context.check(fresh.lower[row] <= value + kRounding * (1 + std::fabs(value)), "sound without memory");
      }
      context.check(leafless.leaves[row].empty(), "no leaves without memory");
      poor += fresh.subproblems[row / 2] > 0;
    }

    for (const int polls : {0, 1, 3, 10, 40}) {
      int left = polls;
      const CompleteResult cut =
          problem.search(region, rows, {.subproblems = 1000}, [&left] { return left-- <= 0; });
      for (int row = 0; row < 4; ++row) {
        stopped += cut.timedOut[row / 2];
        for (int p = 0; p < 10; ++p) {
          const std::vector<double> x = samplePoint(random, region, row / 2);
          const double value = valueAt(problem.network, rows, row / 2, row % 2, x);
          context.check(cut.lower[row] <= value + kRounding * (1 + std::fabs(value)), "sound when stopped");
        }
        context.check(cut.timedOut[row / 2] || cut.lower[row / 2 * 2] > -kInfinity, "marked or bounded");
      }
    }
  }
  context.check(limited > 5 && poor > 10 && stopped > 50, "limits are met: " + std::to_string(limited) +
                                                              ", " + std::to_string(poor) + ", " +
                                                              std::to_string(stopped));
});

}  // namespace
}  // namespace bulwark::selftest
