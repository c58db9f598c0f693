// Limits of branch and bound: on time, subproblems and memory; and the same result on any number of threads.
#include <limits>
#include <memory>
#include <string>

#include "search/open.h"
#include "selftest/batch.h"
#include "selftest/harness.h"
#include "selftest/search_problems.h"

namespace bulwark::selftest {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

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
  int falsified = 0;
  for (int i = 0; i < 12; ++i) {
    const auto nodes = searchGraph(random);
    Problem one(nodes), three(nodes, 3);
    const Region region = randomRegion(random, one.network.inputSize(), 5, 0.3);
    const Specification rows = rowsNear(random, one.network, region, 3, {-0.1, 0.05, 0.2}, 30);
    const SearchOptions options{.subproblems = 100, .leaves = true, .falsify = true};
    const CompleteResult a = one.search(region, rows, options), b = three.search(region, rows, options);
    context.check(a.lower == b.lower, "bounds");
    context.check(a.subproblems == b.subproblems, "subproblems");
    context.check(a.attack->point == b.attack->point, "counterexamples");
    for (const Limit limit : a.limit) falsified += limit == Limit::falsified;
    for (size_t row = 0; row < a.leaves.size(); ++row)
      context.check(sameLeaves(a.leaves[row], b.leaves[row]), "leaves");
  }
  context.check(falsified > 5, "of them falsified: " + std::to_string(falsified));
});

/// A subproblem with as many bytes as any: `starts` of them where it goes on.
Subproblem someSubproblem(Random& random, long age, int starts) {
  Subproblem each{age % 7, age, {}, normal(random), nullptr, {{0, 0, 1}}};
  for (int i = choose(random, 0, 20); i > 0; --i) each.splits.push_back({0, i, true});
  if (starts > 0) {
    Multipliers start;
    start.slope.emplace_back(starts);
    each.start = std::make_shared<Multipliers>(std::move(start));
  }
  return each;
}

const Test memory("search: open subproblems keep within their memory", [](Context& context) {
  constexpr size_t kMemory = 1 << 20;
  OpenSubproblems open(kMemory);
  int taken = 0, fresh = 0;
  while (open.push(someSubproblem(context.random, taken, 1000))) {
    ++taken;
    context.check(open.held() <= kMemory, "more than the limit is held");
  }
  context.check(open.held() > kMemory - 4096, "refused with room left: " + std::to_string(open.held()));
  // Three quarters go to starts, of 4 KB each; what is left holds many without.
  context.check(taken > 3 * static_cast<int>(kMemory / 4 / 4000), "taken in: " + std::to_string(taken));
  context.check(!open.hold(4096), "room for leaves where there is none");

  double last = -kInfinity;
  for (const Subproblem& each : open.takeIf([](const Subproblem& any) { return any.row == 3; })) {
    context.check(each.row == 3 && each.bound >= last, "taken out of order, or another one");
    last = each.bound;
    --taken;
  }
  last = -kInfinity;
  for (; !open.empty(); --taken) {
    const Subproblem each = open.popWorst();
    context.check(each.row != 3 && each.bound >= last, "not the worst, or one that was taken out");
    last = each.bound;
    fresh += !each.start;
  }
  context.check(taken == 0 && open.held() == 0,
                "lost: " + std::to_string(taken) + ", bytes still held: " + std::to_string(open.held()));
  context.check(fresh > 100, "without a start: " + std::to_string(fresh));
  context.check(open.hold(kMemory) && !open.hold(1), "all of it can be held, and no more");
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
      limited += few.limit[image] == Limit::subproblems;
      context.check(few.limit[image] != Limit::subproblems || few.subproblems[image] >= 20,
                    "named too early");
      context.check(few.subproblems[image] < 20 + 2 * options.batch, "no more than a round beyond the limit");
      context.check(!few.timedOut[image], "the limit is not one of time");
    }
    options.subproblems = 0;
    const CompleteResult none = problem.search(region, rows, options);
    context.check(none.subproblems == std::vector<int64_t>(2, 0), "0 subproblems: none");

    // With little room the children start afresh, with less an image is left: weaker, but as sound; and with
    // none no leaves can be kept.
    SearchOptions cramped{.subproblems = 60, .memory = size_t{1} << choose(random, 10, 14)};
    const CompleteResult fresh = problem.search(region, rows, cramped);
    cramped.leaves = true;
    cramped.memory = 0;
    const CompleteResult leafless = problem.search(region, rows, cramped);
    for (int row = 0; row < 4; ++row) {
      context.check(fresh.lower[row] > -kInfinity, "bounds without memory");
      for (int p = 0; p < 40; ++p) {
        const std::vector<double> x = samplePoint(random, region, row / 2);
        const double value = valueAt(problem.network, rows, row / 2, row % 2, x);
        context.check(fresh.lower[row] <= value + kRounding * (1 + std::fabs(value)), "sound without memory");
      }
      context.check(leafless.leaves[row].empty(), "no leaves without memory");
      context.check(leafless.limit[row / 2] != Limit::none || !(leafless.lower[row] > 0),
                    "undecided for want of memory, and not named");
      poor += fresh.limit[row / 2] == Limit::memory;
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
