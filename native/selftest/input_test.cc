// The input term: minimum of a^T dx over every kind of region.
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "selftest/batch.h"
#include "selftest/harness.h"
#include "selftest/reference.h"

namespace bulwark::selftest {
namespace {

double worse(double error, double worst) { return error <= worst ? worst : error; }  // keeps a NaN

struct Problem {
  Problem(Context& context, Backend& backend, int features, int blocks)
      : a(backend, features, blocks),
        lower(backend, features, blocks),
        upper(backend, features, blocks),
        dx(backend, features, blocks),
        eps(backend, blocks),
        lambda(backend, blocks),
        value(backend, blocks) {
    Random& random = context.random;
    a.set([&](int row, int) { return row == 3 || choose(random, 0, 9) == 0 ? 0 : uniform(random, -1, 1); });
    lower.set([&](int, int) { return choose(random, 0, 4) == 0 ? 0 : -uniform(random, 0, 1); });
    upper.set([&](int, int) { return choose(random, 0, 4) == 0 ? 0 : uniform(random, 0, 1); });
    // From balls that hardly meet the box to balls that contain it.
    eps.set([&](int row) { return row == 5 ? 0 : std::exp(uniform(random, -4, 4)); });
    lambda.set([&](int) { return 0; });
  }
  InputRegion region(InputKind kind, bool clipped) const {
    return {kind, clipped, lower.view(), upper.view(), eps.device(), lambda.device()};
  }
  void solve(Backend& backend, InputKind kind, bool clipped, int steps) {
    backend.inputDual(region(kind, clipped), a.view(), steps, dx.view(), value.device());
    dx.get();
    value.get();
    lambda.get();
  }
  std::vector<double> row(const Batch& batch, int row) const {
    const auto begin = batch.host.begin() + static_cast<size_t>(row) * a.features();
    return std::vector<double>(begin, begin + a.features());
  }
  double product(int r) const {
    double sum = 0;
    for (int i = 0; i < a.features(); ++i) sum += static_cast<double>(a.at(r, i)) * dx.at(r, i);
    return sum;
  }

  Batch a, lower, upper, dx;
  RowValues eps, lambda;
  RowSums value;
};

template <typename Each>
void eachSize(Context& context, Backend& backend, Each each) {
  for (const int features : {1, 7, 33, 1000}) {
    Problem problem(context, backend, features, features < 100 ? choose(context.random, 1, 7) : 1);
    each(problem);
  }
}

const Test boxTest("inputDual, box", [](Context& context, Backend& backend) {
  eachSize(context, backend, [&](Problem& problem) {
    problem.solve(backend, InputKind::box, false, 0);
    double worst = 0;
    for (int row = 0; row < problem.a.rows(); ++row) {
      double want = 0;
      for (int i = 0; i < problem.a.features(); ++i)
        want += std::min(problem.a.at(row, i) * static_cast<double>(problem.lower.at(row, i)),
                         problem.a.at(row, i) * static_cast<double>(problem.upper.at(row, i)));
      worst = worse(std::fabs(problem.value.host[row] - want) / (1 + std::fabs(want)), worst);
      worst = worse(std::fabs(problem.product(row) - want) / (1 + std::fabs(want)), worst);
    }
    context.error("value", worst, 1e-6);
  });
});

const Test ballTest("inputDual, whole balls", [](Context& context, Backend& backend) {
  for (const InputKind kind : {InputKind::l1, InputKind::l2})
    eachSize(context, backend, [&](Problem& problem) {
      problem.solve(backend, kind, false, 0);
      double valueError = 0, pointError = 0, outside = 0;
      for (int row = 0; row < problem.a.rows(); ++row) {
        double dual = 0, length = 0;
        for (int i = 0; i < problem.a.features(); ++i) {
          const double slope = std::fabs(problem.a.at(row, i)), size = std::fabs(problem.dx.at(row, i));
          dual = kind == InputKind::l1 ? std::max(dual, slope) : std::hypot(dual, slope);
          length = kind == InputKind::l1 ? length + size : std::hypot(length, size);
        }
        const double eps = problem.eps.host[row], want = -eps * dual;
        valueError = worse(std::fabs(problem.value.host[row] - want) / (1 + std::fabs(want)), valueError);
        pointError = worse(std::fabs(problem.product(row) - want) / (1 + std::fabs(want)), pointError);
        outside = worse((length - eps) / (1e-30 + eps), outside);
      }
      const std::string name = kind == InputKind::l1 ? "l1" : "l2";
      context.error(name + " value", valueError, 1e-6);
      context.error(name + " a^T dx", pointError, 1e-6);
      context.error(name + " distance outside", outside, 1e-6);
    });
});

const Test clippedL2Test("inputDual, clipped l2 ball", [](Context& context, Backend& backend) {
  eachSize(context, backend, [&](Problem& problem) {
    for (const int steps : {1, 3, 30}) {
      double above = 0, below = 0;
      problem.lambda.set([](int) { return 0; });
      problem.solve(backend, InputKind::l2, true, steps);
      for (int row = 0; row < problem.a.rows(); ++row) {
        const double want = clippedL2Minimum(problem.row(problem.a, row), problem.row(problem.lower, row),
                                             problem.row(problem.upper, row), problem.eps.host[row]);
        above = worse((problem.value.host[row] - want) / (1 + std::fabs(want)), above);
        below = worse((want - problem.value.host[row]) / (1 + std::fabs(want)), below);
      }
      context.error("above the minimum after " + std::to_string(steps) + " steps", above, 1e-6);
      if (steps == 30) context.error("below the minimum after 30 steps", below, 1e-6);
    }
  });
});

const Test multiplierTest(
    "inputDual, any multiplier of the clipped l2 ball gives a bound", [](Context& context, Backend& backend) {
      eachSize(context, backend, [&](Problem& problem) {
        problem.lambda.set([&](int) { return std::exp(uniform(context.random, -6, 6)); });
        const std::vector<float> given = problem.lambda.host;
        problem.solve(backend, InputKind::l2, true, 0);
        context.check(problem.lambda.host == given, "no step, no change of the multiplier");
        double above = 0;
        const auto compare = [&] {
          for (int row = 0; row < problem.a.rows(); ++row) {
            const double want = clippedL2Minimum(problem.row(problem.a, row), problem.row(problem.lower, row),
                                                 problem.row(problem.upper, row), problem.eps.host[row]);
            const double scale =
                1 + std::fabs(want) + given[row] * problem.eps.host[row] * problem.eps.host[row];
            above = worse((problem.value.host[row] - want) / scale, above);
          }
        };
        compare();
        context.error("above the minimum, no step", above, 1e-6);
        above = 0;
        problem.solve(backend, InputKind::l2, true, 40);
        compare();
        context.error("above the minimum, 40 steps", above, 1e-6);
        double below = 0;
        for (int row = 0; row < problem.a.rows(); ++row) {
          const double want = clippedL2Minimum(problem.row(problem.a, row), problem.row(problem.lower, row),
                                               problem.row(problem.upper, row), problem.eps.host[row]);
          below = worse((want - problem.value.host[row]) / (1 + std::fabs(want)), below);
        }
        context.error("below the minimum from any start, 40 steps", below, 1e-6);
      });
    });

const Test stillTest(
    "inputDual, a still row keeps its multiplier of the clipped l2 ball, 0 too",
    [](Context& context, Backend& backend) {
      eachSize(context, backend, [&](Problem& problem) {
        RowValues still(backend, problem.a.view().blocks);
        still.set([](int row) { return row % 2; });
        problem.lambda.set([&](int) {
          return choose(context.random, 0, 1) == 0 ? 0 : std::exp(uniform(context.random, -6, 6));
        });
        const std::vector<float> given = problem.lambda.host;
        InputRegion region = problem.region(InputKind::l2, true);
        region.still = still.device();
        backend.inputDual(region, problem.a.view(), 3, problem.dx.view(), problem.value.device());
        problem.lambda.get();
        int moved = 0;
        for (int row = 0; row < problem.a.rows(); ++row) {
          if (row % 2 == 1)
            context.check(problem.lambda.host[row] == given[row], "a still row's multiplier");
          else
            moved += problem.lambda.host[row] != given[row];
        }
        context.check(moved > 0, "other rows' move");
      });
    });

const Test clippedL1Test("inputDual, clipped l1 ball", [](Context& context, Backend& backend) {
  eachSize(context, backend, [&](Problem& problem) {
    problem.solve(backend, InputKind::l1, true, 0);
    double valueError = 0, pointError = 0;
    for (int row = 0; row < problem.a.rows(); ++row) {
      const double want = clippedL1Minimum(problem.row(problem.a, row), problem.row(problem.lower, row),
                                           problem.row(problem.upper, row), problem.eps.host[row]);
      double length = 0;
      for (int i = 0; i < problem.a.features(); ++i) {
        const double dx = problem.dx.at(row, i);
        context.check(dx >= problem.lower.at(row, i) && dx <= problem.upper.at(row, i), "dx lies in the box");
        length += std::fabs(dx);
      }
      context.check(length <= problem.eps.host[row] * (1 + 1e-6), "dx lies in the ball");
      valueError = worse(std::fabs(problem.value.host[row] - want) / (1 + std::fabs(want)), valueError);
      pointError = worse(std::fabs(problem.product(row) - want) / (1 + std::fabs(want)), pointError);
    }
    context.error("value", valueError, 1e-6);
    context.error("a^T dx", pointError, 1e-6);
  });
});

const Test deflectTest("deflect, clipped and whole", [](Context& context, Backend& backend) {
  eachSize(context, backend, [&](Problem& problem) {
    RowValues keep(backend, problem.dx.view().blocks), add(backend, problem.dx.view().blocks);
    keep.set([&](int) { return uniform(context.random, -1, 1); });
    add.set([&](int) { return uniform(context.random, -1, 1); });
    for (const bool clipped : {true, false}) {
      problem.solve(backend, InputKind::l2, clipped, 3);
      const std::vector<float> before = problem.dx.host;
      backend.deflect(problem.region(InputKind::l2, clipped), keep.device(), add.device(), problem.a.view(),
                      problem.dx.view());
      problem.dx.get();
      double worst = 0;
      for (int row = 0; row < problem.a.rows(); ++row) {
        for (int i = 0; i < problem.a.features(); ++i) {
          const float point = before[static_cast<size_t>(row) * problem.a.features() + i];
          const bool held =
              clipped && (point == problem.lower.at(row, i) || point == problem.upper.at(row, i));
          const double moved = static_cast<double>(keep.host[row]) * point +
                               static_cast<double>(add.host[row]) * problem.a.at(row, i);
          worst = worse(std::fabs(problem.dx.at(row, i) - (held ? point : moved)), worst);
        }
      }
      context.error("dx", worst, 1e-6 * (1 + 55));
    }
  });
});

const Test poisonTest("inputDual, a NaN never yields a bound", [](Context& context, Backend& backend) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const InputKind kind : {InputKind::box, InputKind::l1, InputKind::l2})
    for (const bool clipped : {false, true}) {
      if (kind == InputKind::box && clipped) continue;
      for (int poisoned = 0; poisoned < (clipped || kind == InputKind::box ? 3 : 1); ++poisoned) {
        Problem problem(context, backend, 5, 1);
        Batch& batch = poisoned == 0 ? problem.a : poisoned == 1 ? problem.lower : problem.upper;
        const std::vector<float> sound = batch.host;
        batch.set([&](int row, int i) { return row == 6 && i == 1 ? nan : sound[row * 5 + i]; });
        problem.solve(backend, kind, clipped, 5);
        context.check(std::isnan(problem.value.host[6]), "NaN reaches its row");
        context.check(!std::isnan(problem.value.host[7]), "and no other");
      }
    }
});

}  // namespace
}  // namespace bulwark::selftest
