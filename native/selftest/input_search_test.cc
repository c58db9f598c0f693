// Branch and bound on inputs: parts of boxes against points of them, cuts against points, whole searches
// against sampling.
#include "search/input_search.h"

#include <algorithm>
#include <cmath>

#include "selftest/batch.h"
#include "selftest/harness.h"
#include "selftest/proof_problems.h"
#include "selftest/proof_reference.h"

namespace bulwark::selftest {
namespace {

using proof::Arithmetic;
using proof::Claim;
using proof::Sign;

Region randomBox(Random& random, int size) {
  Region region{.kind = InputKind::box, .count = 1, .center = {}, .eps = {}, .lower = {}, .upper = {}};
  for (int i = 0; i < size; ++i) {
    const double middle = uniform(random, -1, 1), radius = uniform(random, 0, 0.4);
    region.center.push_back(middle);
    region.lower.push_back(middle - radius);
    region.upper.push_back(middle + radius);
  }
  return region;
}

/// A part of the box, of at least half its width in every direction.
Region shrunk(Random& random, Region region) {
  for (size_t i = 0; i < region.lower.size(); ++i) {
    const double width = region.upper[i] - region.lower[i];
    region.lower[i] += uniform(random, 0, 0.25) * width;
    region.upper[i] -= uniform(random, 0, 0.25) * width;
    region.center[i] = std::clamp(region.center[i], region.lower[i], region.upper[i]);
  }
  return region;
}

const Test parts("search: signs and bounds of a box's parts hold at their points", [](Context& context) {
  Random& random = context.random;
  ThreadPool pool(1);
  int told = 0, tighter = 0, bounds = 0;
  for (int i = 0; i < 60; ++i) {
    const proof::ProofNetwork network(problemGraph(random));
    const Network& graph = network.network();
    for (const Arithmetic arithmetic : {Arithmetic::real, Arithmetic::float32}) {
      Region region = randomBox(random, network.size(0));
      proof::Prover prover(network, region, arithmetic, pool);
      prover.tightenByCrown();
      if (!prover.image(0).valid()) continue;
      const std::unique_ptr<proof::ImageFacts> facts = prover.take(0);
      size_t neurons = 0;
      for (const int relu : network.relus()) neurons += static_cast<size_t>(network.size(relu));
      std::vector<Claim> claims;
      for (int row = 0; row < 3; ++row) claims.push_back(outputClaim(random, network, 0, nullptr));
      const auto inputs = static_cast<size_t>(network.size(0));
      proof::SubBox box(network, proof::kernels());
      std::vector<Sign> signs(neurons, Sign::open);
      std::vector<double> before(claims.size(), -proof::kInfinity);
      for (int depth = 0; depth < 4; ++depth, region = shrunk(random, region)) {
        std::vector<double> lower(claims.size()), slopes(claims.size() * inputs), offsets(claims.size());
        box.bound(*facts, region.lower, region.upper, signs, claims, lower.data(), slopes.data(),
                  offsets.data());
        for (size_t row = 0; row < claims.size(); ++row) {
          ++bounds;
          tighter += lower[row] > before[row];
        }
        before = lower;
        for (int p = 0; p < 10; ++p) {
          const std::vector<double> x = samplePoint(random, region, 0);
          const auto values = nodeValues(graph, x);
          size_t at = 0;
          for (int relu = 0; relu < static_cast<int>(network.relus().size()); ++relu) {
            for (const double z : values[network.targetNode(relu)]) {
              const Sign sign = signs[at++];
              told += sign != Sign::open;
              context.check(sign != Sign::positive || z >= -1e-11, "a neuron below its sign");
              context.check(sign != Sign::negative || z <= 1e-11, "a neuron above its sign");
            }
          }
          const std::vector<long double> exact = exactForward(graph, x);
          for (size_t row = 0; row < claims.size(); ++row) {
            long double linear = offsets[row];
            for (size_t j = 0; j < inputs; ++j) linear += slopes[row * inputs + j] * x[j];
            const double value = rowValue(claims[row], exact), slack = 1e-13 * (1 + std::abs(value));
            context.check(value >= lower[row] - slack, "a point below a bound");
            context.check(value >= static_cast<double>(linear) - slack, "a point below an affine bound");
          }
        }
      }
    }
  }
  context.check(told > 1000 && tighter > bounds / 2, std::to_string(told) + " signs, " +
                                                         std::to_string(tighter) + " of " +
                                                         std::to_string(bounds) + " bounds tighter");
});

const Test cuts("search: cuts keep every point where all rows are <= 0", [](Context& context) {
  Random& random = context.random;
  const auto row = [&](double offset, double first, double second) {
    return AffineBound{{first, second}, offset};
  };
  const Box square{{-1, -1}, {1, 1}};
  Box cut = square;
  const AffineBound half = row(0.5, 1, 0);
  context.check(clip({&half, 1}, half, cut) && cut.lower == square.lower && cut.upper[1] == 1 &&
                    cut.upper[0] >= -0.5 && cut.upper[0] < -0.4999,
                "a cut is not where it should be");
  const AffineBound positive = row(1.01, 1, 0), touching = row(1, 1, 0);
  context.check(!clip({&positive, 1}, positive, cut = square), "a box is left where a row is positive");
  context.check(clip({&touching, 1}, touching, cut = square), "a box that touches 0 is dropped");
  const std::vector<AffineBound> both{row(0.1, -1, 0.01), row(0.1, 1, 0.01)};  // x >= 0.1 and -x >= 0.1
  context.check(clip({&both[0], 1}, both[0], cut = square) && clip({&both[1], 1}, both[1], cut = square) &&
                    !clip(both, bestCombination(both, square), cut = square),
                "a combination does not refute what no row does");
  int kept = 0;
  for (int round = 0; round < 300; ++round) {
    std::vector<AffineBound> rows;
    for (int i = 0; i <= round % 4; ++i) {
      rows.push_back(
          {{uniform(random, -1, 1), uniform(random, -1, 1), uniform(random, -1, 1)}, uniform(random, -1, 1)});
    }
    Box box;
    for (int i = 0; i < 3; ++i) {
      box.lower.push_back(uniform(random, -1, 1));
      box.upper.push_back(box.lower[static_cast<size_t>(i)] + uniform(random, 0, 1));
    }
    Box rest = box;
    const bool open = clip(rows, bestCombination(rows, box), rest);
    for (int sample = 0; sample < 100; ++sample) {
      bool inside = true, all = true;
      std::vector<double> x;
      for (size_t i = 0; i < 3; ++i) {
        x.push_back(uniform(random, box.lower[i], box.upper[i]));
        inside = inside && x[i] >= rest.lower[i] && x[i] <= rest.upper[i];
      }
      for (const AffineBound& each : rows) {
        double value = each.offset;
        for (size_t i = 0; i < 3; ++i) value += each.slope[i] * x[i];
        all = all && value <= 0;
      }
      if (!all) continue;
      ++kept;
      context.check(open && inside, "a point is cut off");
    }
  }
  context.check(kept > 1000, std::to_string(kept) + " points kept");
});

const Test gradients("search: values and gradients at points", [](Context& context) {
  Random& random = context.random;
  for (int i = 0; i < 20; ++i) {
    const proof::ProofNetwork network(problemGraph(random));
    const Network& graph = network.network();
    Points points(network, proof::kernels());
    const auto inputs = static_cast<size_t>(network.size(0));
    const Claim claim = outputClaim(random, network, 0, nullptr);
    std::vector<std::vector<double>> x;
    std::vector<double> lanes(inputs * Points::kLanes), rows(claim.row.size() * Points::kLanes);
    for (size_t lane = 0; lane < Points::kLanes; ++lane) {
      x.push_back(samplePoint(random, randomBox(random, network.size(0)), 0));
      for (size_t j = 0; j < inputs; ++j) lanes[j * Points::kLanes + lane] = x[lane][j];
      for (size_t j = 0; j < claim.row.size(); ++j) rows[j * Points::kLanes + lane] = claim.row[j];
    }
    const double* y = points.run(lanes.data());
    const double* gradient = points.gradient(rows.data());
    for (size_t lane = 0; lane < Points::kLanes; ++lane) {
      const std::vector<long double> exact = exactForward(graph, x[lane]);
      const std::vector<long double> slope = gradientAt(graph, claim.row, x[lane]);
      for (size_t j = 0; j < exact.size(); ++j) {
        const double value = static_cast<double>(exact[j]);
        context.error("value", std::abs(y[j * Points::kLanes + lane] - value) / (1 + std::abs(value)), 1e-11);
      }
      for (size_t j = 0; j < inputs; ++j) {
        const double value = static_cast<double>(slope[j]);
        context.error("gradient",
                      std::abs(gradient[j * Points::kLanes + lane] - value) / (1 + std::abs(value)), 1e-9);
      }
    }
  }
});

const Test searches(
    "search: inputs are split to the same answer by any number of threads", [](Context& context) {
      Random& random = context.random;
      int refuted = 0, found = 0;
      for (int i = 0; i < 30; ++i) {
        const proof::ProofNetwork network(problemGraph(random));
        const Network& graph = network.network();
        const Region region = randomBox(random, network.size(0));
        InputProblem problem{{region.lower, region.upper}, {}, {{0, 1}, {2}}};
        for (int row = 0; row < 3; ++row) problem.rows.push_back(outputClaim(random, network, 0, nullptr));
        std::vector<std::vector<double>> samples;
        double least = proof::kInfinity;
        const auto valueAt = [&](const std::vector<double>& x) {
          const std::vector<long double> y = exactForward(graph, x);
          const auto of = [&](size_t row) { return rowValue(problem.rows[row], y); };
          return std::min(std::max(of(0), of(1)), of(2));
        };
        for (int p = 0; p < 200; ++p) least = std::min(least, valueAt(samplePoint(random, region, 0)));
        // Half of the problems get a counterexample, the others probably none.
        for (Claim& row : problem.rows) row.constant += (i % 2 == 0 ? 0.5 : -0.01) - least;
        ThreadPool one(1), two(2);
        const StopCheck never = [] { return false; };
        InputSearch alone(network, Arithmetic::real, {problem}), shared(network, Arithmetic::real, {problem});
        const InputSearch::Report report = alone.advance(one, never, 30);
        const InputSearch::Report again = shared.advance(two, never, 30);
        context.check(report.state == again.state && alone.boxes() == shared.boxes() &&
                          report.candidates.size() == again.candidates.size(),
                      "threads change a search");
        refuted += report.state == InputSearch::State::refuted && report.candidates.empty();
        found += !report.candidates.empty();
        if (i % 2 == 1)
          context.check(report.state != InputSearch::State::refuted || !report.candidates.empty(),
                        "a problem with a counterexample is refuted");
        for (const InputSearch::Candidate& candidate : report.candidates)
          context.check(valueAt(candidate.x) <= 1e-9, "a candidate is none");
      }
      context.check(refuted > 3 && found > 3,
                    std::to_string(refuted) + " refuted, " + std::to_string(found) + " found");
    });

}  // namespace
}  // namespace bulwark::selftest
