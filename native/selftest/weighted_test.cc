// Multipliers per neuron: sound at points whatever they are, worth what the plain dual in float64 says, and
// that dual's gradient is its slope.
#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include "selftest/harness.h"
#include "selftest/proof_problems.h"
#include "selftest/proof_reference.h"
#include "weighted/ascent.h"
#include "weighted/dual.h"

namespace bulwark::selftest {
namespace {

using proof::Arithmetic;
using proof::Claim;
using proof::Prover;

/// Matrices one after the other, behind maps of any kind or none.
std::vector<graph::Node> denseGraph(Random& random) {
  GraphBuilder builder({2, 5, 4});
  if (pick(random, 0, 1)) builder.nodes = randomGraph(random, pick(random, 2, 6));
  int x = builder.reshape(builder.last(), {builder.size(builder.last())});
  for (const int size : {9, 11, 7}) x = builder.relu(builder.linear(random, x, {size}));
  builder.linear(random, x, {4});
  return builder.nodes;
}

Region l2Region(Random& random, int size, int count, double eps) {
  Region region = randomRegion(random, size, count, eps);
  region.kind = InputKind::l2;
  region.eps.assign(count, eps);
  return region;
}

/// Random weights for every ReLU, or for those that a plan gives some.
void addWeights(Random& random, const proof::ProofNetwork& network, const weighted::Plan* plan,
                Multipliers& multipliers) {
  for (size_t k = 0; k < multipliers.slope.size(); ++k) {
    Multipliers::Weights& weights = multipliers.weights.emplace_back();
    if (plan ? !plan->layers()[k].weighted : pick(random, 0, 3) == 0) continue;
    for (int i = 0; i < network.size(network.relus()[k]); ++i) {
      weights.own.push_back(
          !plan && pick(random, 0, 4) == 0 ? 0 : static_cast<float>(std::exp(normal(random) - 2)));
      weights.share.push_back(static_cast<float>(std::exp(normal(random))));
    }
  }
}

const Test points("weighted: no point of the region goes below a bound", [](Context& context) {
  Random& random = context.random;
  ThreadPool pool(1);
  for (int i = 0; i < 60; ++i) {
    const proof::ProofNetwork network(i % 2 ? denseGraph(random) : problemGraph(random));
    // Balls on every kind of region, whether an ascent would be made there or not.
    const double eps = std::exp(2 * normal(random) - 3);
    const Region region =
        i % 3 ? l2Region(random, network.size(0), 1, eps) : randomRegion(random, network.size(0), 1, eps);
    for (const Arithmetic arithmetic : {Arithmetic::real, Arithmetic::float32}) {
      Prover prover(network, region, arithmetic, pool);
      std::vector<Multipliers> multipliers;
      std::vector<Claim> claims;
      for (int k = 0; k < 9; ++k) {
        multipliers.push_back(plainMultipliers(network, prover.image(0), Claim::output, 0.1f));
        addWeights(random, network, nullptr, multipliers.back());
      }
      for (int k = 0; k < 9; ++k) claims.push_back(outputClaim(random, network, 0, &multipliers[k]));
      const std::vector<double> bounds = prover.lowerBounds(claims);
      for (int p = 0; p < 20; ++p) {
        const auto y = exactForward(network.network(), samplePoint(random, region, 0));
        for (int k = 0; k < 9; ++k)
          context.check(bounds[k] <= rowValue(claims[k], y), "a point below the bound");
      }
    }
  }
});

/// What two sets of multipliers prove of one random row.
std::pair<double, double> provenBy(Random& random, const proof::ProofNetwork& network, const Prover& prover,
                                   const Multipliers& one, const Multipliers& other) {
  std::array<Claim, 2> claims;
  claims.fill(outputClaim(random, network, 0, &one));
  claims[1].multipliers = &other;
  const std::vector<double> bounds = prover.lowerBounds(claims);
  return {bounds[0], bounds[1]};
}

const Test constant("weighted: weights that are all the same are one multiplier", [](Context& context) {
  Random& random = context.random;
  ThreadPool pool(1);
  for (int i = 0; i < 40; ++i) {
    const proof::ProofNetwork network(denseGraph(random));
    const Region region = l2Region(random, network.size(0), 1, std::exp(normal(random) - 2));
    const Prover prover(network, region, Arithmetic::real, pool);
    const weighted::Plan plan(network, prover.image(0));
    context.check(plan.anyWeighted(), "a matrix without weights");
    Multipliers one = plainMultipliers(network, prover.image(0), Claim::output, 0.2f), same = one;
    for (const weighted::PlannedLayer& layer : plan.layers()) {
      same.weights.emplace_back();
      if (layer.weighted) {
        same.weights.back() = {std::vector<float>(layer.size, 0.2f), std::vector<float>(layer.size, 1.0f)};
      }
    }
    const auto [scalar, weights] = provenBy(random, network, prover, one, same);
    context.error("apart", std::fabs(scalar - weights) / (1 + std::fabs(scalar)), 1e-5);
  }
});

/// Two operators that no single one expresses as cheaply, so that a ball's map from the input has two parts.
std::vector<graph::Node> twoMaps(Random& random) {
  GraphBuilder builder({1, 16, 16});
  const int maps = builder.conv(random, 0, 1, {4, 4}, {4, 4}, {1, 1}, {0, 0, 0, 0}, 1);
  int x = builder.relu(builder.linear(random, builder.reshape(maps, {builder.size(maps)}), {8}));
  x = builder.relu(builder.linear(random, x, {6}));
  builder.linear(random, x, {3});
  return builder.nodes;
}

const Test parts("weighted: the norm of a part does not stand for the whole map", [](Context& context) {
  Random& random = context.random;
  ThreadPool pool(1);
  for (int i = 0; i < 20; ++i) {
    std::vector<graph::Node> graph = twoMaps(random);
    for (double& weight : std::get<graph::Conv>(graph[1].op).weight) weight *= 10;
    const proof::ProofNetwork network(graph);
    const Region region = l2Region(random, network.size(0), 1, 0.1);
    const Prover prover(network, region, Arithmetic::real, pool);
    const int first = network.targetNode(0);
    context.check(network.composition(first).start != 0, "the maps were joined");
    Multipliers one = plainMultipliers(network, prover.image(0), Claim::output, 0.2f), same = one;
    for (const auto& slope : one.slope) {
      same.weights.push_back(
          {std::vector<float>(slope.size(), 0.2f), std::vector<float>(slope.size(), 1.0f)});
    }
    const auto [scalar, weights] = provenBy(random, network, prover, one, same);
    context.error("above", (weights - scalar) / (1 + std::fabs(scalar)), 1e-5);
  }
});

std::vector<weighted::Variables> variablesOf(const weighted::Plan& plan, const Multipliers& multipliers) {
  std::vector<weighted::Variables> out;
  const auto filled = [](const std::vector<float>& values, bool logarithm) {
    weighted::Lanes lanes;
    for (const double value : values)
      lanes.insert(lanes.end(), weighted::kLanes, logarithm ? std::log(value) : value);
    return lanes;
  };
  for (size_t k = 0; k < plan.layers().size(); ++k) {
    const bool weighted = plan.layers()[k].weighted;
    const auto& [own, share] = multipliers.weights[k];
    out.push_back({filled(multipliers.slope[k], false),
                   filled(weighted ? own : std::vector<float>{multipliers.lambda[k]}, true),
                   filled(share, true)});
  }
  return out;
}

const Test agree("weighted: proof and plain dual agree, and its gradient is its slope", [](Context& context) {
  Random& random = context.random;
  ThreadPool pool(1);
  for (int i = 0; i < 60; ++i) {
    const proof::ProofNetwork network(denseGraph(random));
    const Region region = l2Region(random, network.size(0), 1, std::exp(normal(random) - 2));
    const Prover prover(network, region, Arithmetic::real, pool);
    const proof::ImageFacts* facts = &prover.image(0);
    const weighted::Plan plan(network, *facts);
    Multipliers multipliers = plainMultipliers(network, *facts, Claim::output, 0.1f);
    addWeights(random, network, &plan, multipliers);
    Claim claim = outputClaim(random, network, 0, &multipliers);
    claim.constant = 0;
    weighted::Lanes goal;
    double nominal = 0;
    const auto& zhat = facts->at(network.nodeCount() - 1).zhat;
    for (size_t j = 0; j < claim.row.size(); ++j) {
      goal.insert(goal.end(), weighted::kLanes, claim.row[j]);
      nominal += claim.row[j] * zhat[j];
    }
    weighted::Dual dual(plan, std::span(&facts, 1));
    dual.setGoal(goal);
    std::vector<weighted::Variables> at = variablesOf(plan, multipliers), gradient(at.size());
    for (int settle = 0; settle < 60; ++settle)
      dual.evaluate(at);  // of eigenvectors and the ball's multiplier
    const double value = dual.evaluate(at)[0];
    dual.gradient(gradient);
    multipliers.inputLambda = static_cast<float>(dual.inputLambda()[0]);
    const double proven = prover.lowerBounds(std::span(&claim, 1))[0];
    const double scale = 1 + std::fabs(proven) + std::fabs(value);
    // Where the ball lies outside of its clip range, the proof takes what is better.
    const double apart = proven - nominal - value;
    context.error("proof and plain dual",
                  (apart > 0 && multipliers.inputLambda < 1e-6 ? 0 : std::fabs(apart)) / scale, 2e-5);

    // Along a random direction, up and down: the dual is concave, with kinks where minimisers jump.
    double slope = 0;
    std::vector<weighted::Variables> up = at, down = at;
    constexpr double step = 1e-5;
    for (size_t k = 0; k < at.size(); ++k) {
      const auto move = [&](weighted::Lanes weighted::Variables::* part) {
        for (size_t j = 0; j < (at[k].*part).size(); j += weighted::kLanes) {
          const double along = normal(random);
          slope += along * (gradient[k].*part)[j];
          for (size_t lane = 0; lane < weighted::kLanes; ++lane) {
            (up[k].*part)[j + lane] += step * along;
            (down[k].*part)[j + lane] -= step * along;
          }
        }
      };
      move(&weighted::Variables::logKappa);
      move(&weighted::Variables::logShare);
    }
    const auto settled = [&](const std::vector<weighted::Variables>& point) {
      for (int settle = 0; settle < 20; ++settle) dual.evaluate(point);
      return dual.evaluate(point)[0];
    };
    const double higher = settled(up), lower = settled(down);
    const double right = (higher - value) / step, left = (value - lower) / step;
    // Between the one-sided derivatives, but for what the step bends.
    const double outside = std::max({0.0, slope - std::max(left, right), std::min(left, right) - slope});
    context.error("gradient", outside / (std::fabs(left) + std::fabs(right) + 1e-3 * scale), 1e-2);
  }
});

const Test climbs("weighted: an ascent ends above the joint dual that it starts from", [](Context& context) {
  Random& random = context.random;
  ThreadPool pool(1);
  int raised = 0, tried = 0;
  for (int i = 0; i < 25; ++i) {
    const proof::ProofNetwork network(denseGraph(random));
    const Region region = l2Region(random, network.size(0), 2, std::exp(normal(random) - 2));
    const Prover prover(network, region, Arithmetic::real, pool);
    std::vector<Multipliers> start;
    std::vector<Claim> claims;
    for (int k = 0; k < 5; ++k)
      start.push_back(plainMultipliers(network, prover.image(k % 2), Claim::output, 0.01f));
    std::vector<const Claim*> rows;
    std::vector<const proof::ImageFacts*> images;
    for (int k = 0; k < 5; ++k) claims.push_back(outputClaim(random, network, k % 2, &start[k]));
    for (const Claim& claim : claims) {
      rows.push_back(&claim);
      images.push_back(&prover.image(claim.image));
    }
    const std::vector<double> before = prover.lowerBounds(claims);
    const weighted::Plan plan(network, prover.image(0));
    const std::vector<Multipliers> found =
        weighted::climb(plan, rows, images, {.iterations = 60, .headroom = INFINITY}, [] { return false; });
    for (int k = 0; k < 5; ++k) claims[k].multipliers = &found[k];
    const std::vector<double> after = prover.lowerBounds(claims);
    for (int p = 0; p < 50; ++p) {
      const int image = p % 2;
      const auto y = exactForward(network.network(), samplePoint(random, region, image));
      for (int k = image; k < 5; k += 2)
        context.check(after[k] <= rowValue(claims[k], y), "a point below the bound");
    }
    for (int k = 0; k < 5; ++k) raised += after[k] > before[k], ++tried;
  }
  // Some have nothing to gain: all of their neurons stay on one side.
  context.check(raised > tried / 2, "bounds that were not raised");
});

}  // namespace
}  // namespace bulwark::selftest
