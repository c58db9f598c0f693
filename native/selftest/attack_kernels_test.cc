// The attack's kernels against float64: dot products, bookkeeping of the best, projected descent.
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "selftest/batch.h"
#include "selftest/harness.h"

namespace bulwark::selftest {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

void testDot(Context& context, Backend& backend, int features) {
  Batch a(backend, features, 2), b(backend, features, 2);
  PerRow<float, Rows> value(backend, 2);
  a.set([&](int, int) { return uniform(context.random, -1, 1); });
  b.set([&](int, int) { return uniform(context.random, -1, 1); });
  backend.dot(a.view(), b.view(), value.device());
  value.get();
  for (int row = 0; row < a.rows(); ++row) {
    double sum = 0;
    for (int i = 0; i < a.features(); ++i) sum += static_cast<double>(a.at(row, i)) * b.at(row, i);
    context.error("dot of " + std::to_string(features), std::abs(value.host[row] - sum), 1e-5);
  }
}

void testKeepBest(Context& context, Backend& backend, int features) {
  Batch x(backend, features, 2), kept(backend, features, 2);
  PerRow<float, Rows> value(backend, 2), best(backend, 2);
  x.set([](int row, int i) { return row * 10 + i + 1; });
  kept.set([](int row, int i) { return -(row * 10 + i + 1); });
  // By turns: lower, equal, higher, not a number, and the first number ever.
  const float values[] = {1, 2, 3, kNan, 7}, bests[] = {2, 2, 2, 2, kInfinity};
  value.set([&](int row) { return values[row % 5]; });
  best.set([&](int row) { return bests[row % 5]; });
  backend.keepBest(value.device(), x.view(), best.device(), kept.view());
  best.get();
  kept.get();
  for (int row = 0; row < x.rows(); ++row) {
    const bool better = row % 5 == 0 || row % 5 == 4;
    context.check(best.host[row] == (better ? values : bests)[row % 5], "best of row " + std::to_string(row));
    for (int i = 0; i < x.features(); ++i)
      context.check(kept.at(row, i) == (better ? 1 : -1) * static_cast<float>(row * 10 + i + 1),
                    "kept point of row " + std::to_string(row));
  }
}

/// One row of a descent in float64; bounds infinite where the region has none.
struct Row {
  InputKind kind;
  double eps;
  std::vector<double> lower, upper, gradient, dx;

  double clamp(int i, double x) const { return std::min(std::max(x, lower[i]), upper[i]); }

  /// clip(y) shrunk by the multiplier of the ball: t y for l2 with t = 1 / (1 + m), soft threshold m for l1.
  double shrunk(int i, double y, double multiplier) const {
    if (kind == InputKind::l2) return clamp(i, y / (1 + multiplier));
    return clamp(i, std::copysign(std::max(std::abs(y) - multiplier, 0.0), y));
  }
  double norm(const std::vector<double>& y, double multiplier) const {
    double sum = 0;
    for (size_t i = 0; i < y.size(); ++i) {
      const double x = shrunk(static_cast<int>(i), y[i], multiplier);
      sum += kind == InputKind::l1 ? std::abs(x) : x * x;
    }
    return kind == InputKind::l1 ? sum : std::sqrt(sum);
  }

  std::vector<double> descended(double step) const {
    const int size = static_cast<int>(dx.size());
    std::vector<double> y = dx;
    if (kind == InputKind::box) {
      for (int i = 0; i < size; ++i) {
        const double sign = gradient[i] > 0 ? 1 : gradient[i] < 0 ? -1 : 0;
        y[i] = clamp(i, dx[i] - step * (upper[i] - lower[i]) / 2 * sign);
      }
      return y;
    }
    double squares = 0, largest = 0;
    for (int i = 0; i < size; ++i) {
      if ((gradient[i] > 0 && dx[i] <= lower[i]) || (gradient[i] < 0 && dx[i] >= upper[i])) continue;
      squares += gradient[i] * gradient[i];
      largest = std::max(largest, std::abs(gradient[i]));
    }
    const double length = kind == InputKind::l1 ? largest : std::sqrt(squares);
    for (int i = 0; i < size && length > 0; ++i)
      y[i] -= step * eps * std::clamp(gradient[i] / length, -1.0, 1.0);
    double low = 0, high = 1e12;
    if (norm(y, low) <= eps) high = 0;
    for (int round = 0; round < 200 && high > 0; ++round) {
      const double middle = round < 100 ? std::sqrt(std::max(low, 1e-12) * high) : (low + high) / 2;
      (norm(y, middle) > eps ? low : high) = middle;
    }
    for (int i = 0; i < size; ++i) y[i] = shrunk(i, y[i], high);
    return y;
  }
};

void testDescend(Context& context, Backend& backend, int features, InputKind kind, bool clipped,
                 const std::string& name) {
  Random& random = context.random;
  const bool boxed = kind == InputKind::box || clipped;
  Batch lower(backend, features, 2), upper(backend, features, 2), gradient(backend, features, 2);
  Batch dx(backend, features, 2);
  PerRow<float, Rows> eps(backend, 2);
  // Some coordinates have no room on one side or on both, as black pixels of an image have.
  lower.set([&](int, int) { return choose(random, 0, 2) == 0 ? 0 : -uniform(random, 0, 1); });
  upper.set([&](int, int) { return choose(random, 0, 2) == 0 ? 0 : uniform(random, 0, 1); });
  eps.set([&](int row) { return row == 0 ? 0 : std::pow(10, uniform(random, -2, 1)); });
  gradient.set([&](int row, int) { return row == 1 ? 0 : std::pow(uniform(random, -1, 1), 3); });
  const double step = choose(random, 0, 1) == 0 ? 1 : uniform(random, 0.01, 3);

  std::vector<Row> rows(dx.rows());
  for (int r = 0; r < dx.rows(); ++r) {
    Row& row = rows[r];
    row = {kind, eps.host[r], {}, {}, {}, {}};
    double norm = 0;
    for (int i = 0; i < features; ++i) {
      const double infinite = std::numeric_limits<double>::infinity();
      row.lower.push_back(boxed ? lower.at(r, i) : -infinite);
      row.upper.push_back(boxed ? upper.at(r, i) : infinite);
      row.gradient.push_back(gradient.at(r, i));
      row.dx.push_back(row.clamp(i, uniform(random, -1, 1)));
      norm += kind == InputKind::l1 ? std::abs(row.dx[i]) : row.dx[i] * row.dx[i];
    }
    if (kind == InputKind::box) continue;
    if (kind == InputKind::l2) norm = std::sqrt(norm);
    for (double& x : row.dx) x *= norm > row.eps ? row.eps / norm : 1;
  }
  dx.set([&](int r, int i) { return rows[r].dx[i]; });
  // The row starts where float32 put it, on a bound or off it.
  for (int r = 0; r < dx.rows(); ++r)
    for (int i = 0; i < features; ++i) rows[r].dx[i] = dx.at(r, i);

  InputRegion region{kind, clipped, {}, {}, eps.device(), {}};
  if (boxed) {
    region.lower = lower.view();
    region.upper = upper.view();
  }
  backend.descend(region, gradient.view(), static_cast<float>(step), dx.view());
  dx.get();
  for (int r = 0; r < dx.rows(); ++r) {
    const std::vector<double> expected = rows[r].descended(static_cast<float>(step));
    const double unit = kind == InputKind::box ? 1 : std::max(rows[r].eps, 1e-30);
    for (int i = 0; i < features; ++i) {
      context.error(name, std::abs(dx.at(r, i) - expected[i]) / unit, 2e-3);
      context.check(!boxed || (dx.at(r, i) >= lower.at(r, i) && dx.at(r, i) <= upper.at(r, i)),
                    name + " leaves the box");
    }
    std::vector<double> found(dx.host.begin() + r * features, dx.host.begin() + (r + 1) * features);
    if (kind != InputKind::box)
      context.check(rows[r].norm(found, 0) <= rows[r].eps * (1 + 1e-5), name + " leaves the ball");
  }
}

void testDescents(Context& context, Backend& backend, int features) {
  testDescend(context, backend, features, InputKind::box, false, "box");
  testDescend(context, backend, features, InputKind::l1, false, "l1 ball");
  testDescend(context, backend, features, InputKind::l1, true, "clipped l1 ball");
  testDescend(context, backend, features, InputKind::l2, false, "l2 ball");
  testDescend(context, backend, features, InputKind::l2, true, "clipped l2 ball");
}

template <typename Run>
void eachSize(Run run) {
  for (const int features : {1, 7, 33, 1000}) run(features);
}

const Test dots("attack: dot", [](Context& context, Backend& backend) {
  eachSize([&](int features) { testDot(context, backend, features); });
});
const Test bests("attack: best so far", [](Context& context, Backend& backend) {
  eachSize([&](int features) { testKeepBest(context, backend, features); });
});
const Test descents("attack: projected descent", [](Context& context, Backend& backend) {
  eachSize([&](int features) { testDescents(context, backend, features); });
  for (int round = 0; round < 14; ++round) testDescents(context, backend, choose(context.random, 1, 90));
});

}  // namespace
}  // namespace bulwark::selftest
