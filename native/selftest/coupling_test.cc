// The input's term with the ball of the first layer: against the exact minimum over a ball, and the engine's
// bounds with and without it.
#include "kernels/coupling.h"

#include <algorithm>
#include <cmath>

#include "selftest/batch.h"
#include "selftest/bounds_problems.h"
#include "selftest/harness.h"

namespace bulwark::selftest {
namespace {

double normal(Random& random) { return std::normal_distribution<double>()(random); }

/// min over ||x|| <= eps of a^T x - 1/2 sum s_i x_i^2: the secular equation, where a has all directions.
double exactMinimum(const std::vector<double>& a, const std::vector<double>& s, double eps) {
  double low = *std::max_element(s.begin(), s.end()), high = low;
  for (const double value : a) high += std::abs(value) / eps;
  const auto spent = [&](double mu) {
    double sum = mu * eps * eps;
    for (size_t i = 0; i < a.size(); ++i) sum += a[i] * a[i] / (mu - s[i]);
    return sum;
  };
  for (int step = 0; step < 200; ++step) {
    const double left = low + 0.382 * (high - low), right = low + 0.618 * (high - low);
    (spent(left) < spent(right) ? high : low) = spent(left) < spent(right) ? right : left;
  }
  return -0.5 * spent(high);
}

struct Diagonal {
  std::vector<double> a, c2;  // the linear term and C^T C
  double eps, lambda, norm2;
};

Diagonal randomDiagonal(Random& random, int size, int distinct) {
  Diagonal out{{}, {}, std::exp(normal(random)), std::exp(2 * normal(random)), 0};
  std::vector<double> values;
  for (int i = 0; i < distinct; ++i) values.push_back(std::exp(normal(random)));
  for (int i = 0; i < size; ++i) {
    out.a.push_back(normal(random));
    out.c2.push_back(values[i % distinct]);
  }
  out.norm2 = *std::max_element(out.c2.begin(), out.c2.end());
  return out;
}

InputRow rowOf(const Diagonal& at) {
  double square = 0, arrived = 0, returned = 0;
  for (const double value : at.a) square += value * value;
  const double lambda0 = std::sqrt(square) / at.eps;
  for (size_t i = 0; i < at.a.size(); ++i) {
    const double dx2 = at.a[i] * at.a[i] / (lambda0 * lambda0);
    arrived += at.c2[i] * dx2;
    returned += at.c2[i] * at.c2[i] * dx2;
  }
  return {
      -at.eps * std::sqrt(square), at.eps, lambda0, at.eps * at.eps, arrived, returned, at.lambda, at.norm2};
}

const Test termTest("coupling: between the terms apart and the exact minimum", [](Context& context) {
  Random& random = context.random;
  int gains = 0;
  for (int i = 0; i < 2000; ++i) {
    const int size = choose(random, 1, 12), distinct = choose(random, 1, size);
    Diagonal at = randomDiagonal(random, size, distinct);
    const bool loose = choose(random, 0, 3) == 0;
    if (loose) at.norm2 *= 1 + uniform(random, 0, 1);
    const InputRow row = rowOf(at);
    std::vector<double> s;
    for (const double value : at.c2) s.push_back(at.lambda * value);
    const double exact = exactMinimum(at.a, s, at.eps),
                 apart = row.value - 0.5 * at.lambda * at.norm2 * at.eps * at.eps;
    const CoupledRow found = coupled(row);
    const double scale = std::abs(apart);
    context.check(found.value <= exact + 1e-9 * scale, "above the exact minimum");
    context.check(found.value >= apart - 1e-5 * scale, "below the terms apart");
    if (distinct <= 2 && !loose) context.error("two eigenvalues: exact", (exact - found.value) / scale, 1e-5);
    gains += found.value > apart + 0.25 * (exact - apart);
    // The derivative, by central differences.
    const double step = 1e-4 * at.lambda;
    InputRow more = row, less = row;
    more.lambda += step;
    less.lambda -= step;
    const double slope = (coupled(more).value - coupled(less).value) / (2 * step);
    context.error("allowed", std::abs(slope + 0.5 * found.allowed),
                  1e-3 * (std::abs(slope) + at.norm2 * at.eps * at.eps));
  }
  context.check(gains > 1500, "often a good part of the difference is won");
});

const Test climbTest("coupling: the engine climbs higher with it", [](Context& context, Backend& backend) {
  Random& random = context.random;
  double gain = 0;
  for (const auto& [networkName, network] : boundsNetworks(random)) {
    for (const auto& [regionName, region] : boundsRegions(random, 3, network.inputSize())) {
      if (region.kind != InputKind::l2) continue;
      const ReadyImages ready(network, backend, region, true);
      DualPreset with = presetOf(Method::joint), without = with;
      without.coupled = false;
      const unsigned seed = static_cast<unsigned>(choose(random, 0, 1 << 20));
      const auto climbed = [&](const DualPreset& preset) {
        Random same(seed);
        ReadyRows rows(same, ready.images, backend, 1, preset);
        std::vector<double> value, best(rows.batch.rows(), -1e300);
        for (int t = 1; t <= 60; ++t) {
          rows.evaluate(value);
          for (size_t r = 0; r < best.size(); ++r) best[r] = std::max(best[r], value[r]);
          const double rate = 0.1 * std::pow(0.97, t);
          rows.ascend(rate / (1 - std::pow(0.9, t)), 1 / (1 - std::pow(0.999, t)));
        }
        return best;
      };
      const std::vector<double> high = climbed(with), low = climbed(without);
      for (size_t r = 0; r < high.size(); ++r) {
        // Ascents that go different ways end a little apart.
        context.check(high[r] >= low[r] - 0.02 * (1 + std::abs(low[r])),
                      networkName + ", " + regionName + ": lower");
        gain += (high[r] - low[r]) / (1 + std::abs(low[r]));
      }
    }
  }
  context.check(gain > 0, "on the whole it gains");
});

}  // namespace
}  // namespace bulwark::selftest
