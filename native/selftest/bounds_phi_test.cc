// The reference itself: phi against brute force, Theorem 4.1's h, and the gradient formulas against finite
// differences. What is tested against the engine elsewhere stands on these.
#include <algorithm>
#include <cmath>
#include <string>

#include "selftest/bounds_problems.h"
#include "selftest/dual_reference.h"
#include "selftest/harness.h"
#include "selftest/network_graphs.h"

namespace bulwark::selftest {
namespace {

double randomMultiplier(Random& random) {
  return choose(random, 0, 3) == 0 ? 0.0 : std::pow(10, uniform(random, -2, 2));
}

Phi randomPhi(Random& random) {
  Phi phi{normal(random), normal(random), randomMultiplier(random), 2 * normal(random)};
  if (choose(random, 0, 4) == 0) phi.v = choose(random, 0, 1) ? phi.c : 0;
  phi.lower = phi.zhat - (choose(random, 0, 5) == 0 ? 0 : std::abs(2 * normal(random)));
  phi.upper = phi.zhat + (choose(random, 0, 5) == 0 ? 0 : std::abs(2 * normal(random)));
  if (choose(random, 0, 1))
    phi.payment = phi.lambda * (choose(random, 0, 3) == 0 ? 1 : uniform(random, 0, 1));
  return phi;
}

const Test phiTest("phi: closed form against a grid", [](Context& context) {
  for (int round = 0; round < 3000; ++round) {
    const Phi phi = randomPhi(context.random);
    double z = 0;
    const double least = phi.minimum(&z);
    constexpr int kPoints = 4000;
    const double width = phi.upper - phi.lower;
    double found = std::min(phi.objective(phi.lower), phi.objective(phi.upper));
    for (int i = 0; i <= kPoints; ++i)
      found = std::min(found, phi.objective(phi.lower + width * i / kPoints));
    context.check(z >= phi.lower && z <= phi.upper, "the minimiser is in the box");
    context.error("objective at the minimiser", std::abs(phi.objective(z) - least), 1e-12);
    context.error("a grid point below the minimum", least - found, 1e-12);
    // Between grid points the objective moves at most by its slope, and by its curvature at the minimum.
    const double slope = std::abs(phi.c) + std::abs(phi.v) + phi.lambda * width;
    context.error("the minimum below the grid", found - least, slope * width / kPoints + 1e-12);
  }
});

const Test theoremTest("phi: without a box it is Theorem 4.1's h", [](Context& context) {
  Random& random = context.random;
  for (int round = 0; round < 500; ++round) {
    const int size = choose(random, 1, 30);
    const double rho = std::pow(10, uniform(random, -2, 1)), lambda = std::pow(10, uniform(random, -2, 2));
    double sum = -0.5 * lambda * rho * rho, norm = 0, deficit = 0, magnitude = 0;
    for (int i = 0; i < size; ++i) {
      const Phi phi{normal(random), normal(random), lambda, normal(random)};
      sum += phi.minimum();
      norm += phi.zhat * phi.zhat;
      const double f = std::min({phi.c - phi.v - lambda * phi.zhat, phi.v + lambda * phi.zhat, 0.0});
      deficit += f * f;
      magnitude += std::abs(phi.minimum()) + 0.5 * lambda * phi.zhat * phi.zhat + f * f / lambda;
    }
    const double h = -0.5 * (lambda * (rho * rho - norm) + deficit / lambda);
    context.error("h", std::abs(h - sum), 1e-12 * (magnitude + lambda * rho * rho));
  }
});

/// In each single slope and multiplier D is concave, so a supergradient lies between the two one-sided
/// differences, however many kinks there are.
template <class Move>
void checkDerivative(Context& context, const std::string& what, const DualProblem& problem,
                     const DualPoint& point, const DualValue& at, double derivative, Move move) {
  constexpr double kStep = 1e-5;
  const auto moved = [&](double step) {
    DualPoint other = point;
    move(other, step);
    return evaluateDual(problem, other).bound;
  };
  const double right = (moved(kStep) - at.bound) / kStep, left = (at.bound - moved(-kStep)) / kStep;
  const double allowed = 1e-8 * (at.magnitude + std::abs(derivative));
  context.error(what + ": below the right derivative", right - derivative, allowed);
  context.error(what + ": above the left derivative", derivative - left, allowed);
  // Where it is smooth the two differences meet, and so the check above is an equality; count on most.
  context.check(left - right >= -allowed, what + ": not concave");
}

const Test gradientTest("dual: gradients against finite differences", [](Context& context) {
  const std::unique_ptr<Backend> backend = makeCpuBackend("portable");
  Random& random = context.random;
  int tight = 0, all = 0;
  for (const auto& [networkName, network] : boundsNetworks(random)) {
    for (const auto& [regionName, region] : boundsRegions(random, 2, network.inputSize())) {
      const ReadyImages ready(network, *backend, region, true);
      for (const DualPreset& preset :
           {DualPreset{.rule = SlopeRule::free, .ball = true},
            DualPreset{.rule = SlopeRule::free, .ball = true, .chained = true},
            DualPreset{.rule = SlopeRule::free, .ball = true, .boundless = true}}) {
        const int target = static_cast<int>(network.nodes.size()) - 1;
        ReadyRows rows(random, ready.images, *backend, 1, preset);
        const DualProblem problem =
            problemOf(ready.images, *backend, region, 1, target, rows.c[0], preset, rows.batch.relus());
        DualPoint point;
        for (const KnownLayer& layer : problem.layers) {
          std::vector<double>& slope = point.slope.emplace_back();
          for (size_t i = 0; i < layer.zhat.size(); ++i) slope.push_back(uniform(random, -0.5, 1.5));
          point.lambda.push_back(std::pow(10, uniform(random, -1, 1)));
        }
        point.inputLambda = 2;
        const DualValue at = evaluateDual(problem, point);
        const DualGradient gradient = dualGradient(problem, point, at);
        const std::string where = networkName + ", " + regionName;
        for (size_t k = 0; k < problem.layers.size(); ++k) {
          checkDerivative(context, where + ": lambda", problem, point, at, gradient.lambda[k],
                          [&](DualPoint& other, double step) { other.lambda[k] += step; });
          for (int sample = 0; sample < 6; ++sample) {
            const size_t i = choose(random, 0, static_cast<int>(problem.layers[k].zhat.size()) - 1);
            checkDerivative(context, where + ": slope", problem, point, at, gradient.slope[k][i],
                            [&](DualPoint& other, double step) { other.slope[k][i] += step; });
            ++all;
            tight += gradient.slope[k][i] != 0;
          }
        }
      }
    }
  }
  context.check(2 * tight > all, "most gradients are not zero");
});

}  // namespace
}  // namespace bulwark::selftest
