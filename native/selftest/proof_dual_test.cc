// Rigorous bounds against the same dual in extended precision, and against points of the region.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

#include "selftest/harness.h"
#include "selftest/proof_problems.h"
#include "selftest/proof_reference.h"

namespace bulwark::selftest {
namespace {

using proof::Arithmetic;
using proof::Claim;
using proof::Prover;

bool keepsSplits(const proof::ProofNetwork& network, const Claim& claim,
                 const std::vector<std::vector<double>>& values) {
  return std::all_of(claim.splits.begin(), claim.splits.end(), [&](const proof::Split& split) {
    const double z = values[network.targetNode(split.relu)][split.feature];
    return split.positive ? z >= 0 : z <= 0;
  });
}

/// The claim's row at a point.
double claimed(const proof::ProofNetwork& network, const Claim& claim,
               const std::vector<std::vector<double>>& values) {
  const std::vector<double>& y = values[network.targetNode(claim.target)];
  if (claim.row.empty()) return claim.constant + claim.sign * y[claim.feature];
  return std::inner_product(y.begin(), y.end(), claim.row.begin(), claim.constant);
}

const Test close("proof: bounds lie just below the dual in extended precision", [](Context& context) {
  Random& random = context.random;
  ThreadPool pool(1);
  for (int i = 0; i < 400; ++i) {
    const proof::ProofNetwork network(problemGraph(random));
    const Region region = randomRegion(random, network.size(0), 2, std::exp(2 * normal(random) - 3));
    Prover prover(network, region, Arithmetic::real, pool);
    const bool wild = i % 4 == 3;
    const int relus = static_cast<int>(network.relus().size());
    std::vector<proof::Multipliers> multipliers(12);
    std::vector<Claim> claims;
    for (int k = 0; k < 12; ++k) {
      Claim claim = outputClaim(random, network, k % 2, &multipliers[k]);
      if (k % 3 == 2) {
        claim.target = pick(random, 0, relus - 1);
        claim.row.clear();
        claim.constant = 0;
        claim.feature = pick(random, 0, network.size(network.targetNode(claim.target)) - 1);
        claim.sign = pick(random, 0, 1) ? 1 : -1;
      }
      multipliers[k] = randomMultipliers(random, network, claim.target, wild);
      for (int s = pick(random, 0, 6); s > 3; --s) {
        const int relu = pick(random, 0, relus - 1);
        const int feature = pick(random, 0, network.size(network.relus()[relu]) - 1);
        claim.splits.push_back({relu, feature, pick(random, 0, 1) == 1});
      }
      claims.push_back(claim);
    }
    const std::vector<double> bounds = prover.lowerBounds(claims);
    for (int k = 0; k < 12; ++k) {
      if (bounds[k] == INFINITY) continue;           // the splits leave nothing
      if (wild && bounds[k] == -INFINITY) continue;  // and these overflow
      long double paid = 0;
      const long double exact = dualValue(network, prover.image(k % 2), claims[k], &paid);
      if (wild) {
        // The prover's v is slope * c as computed: a dual of its own, which may be the greater one.
        for (int p = 0; p < 3; ++p) {
          const auto values = nodeValues(network.network(), samplePoint(random, region, k % 2));
          if (!keepsSplits(network, claims[k], values)) continue;
          const double value = claimed(network, claims[k], values);
          context.check(bounds[k] <= value + 1e-9 * (1 + std::fabs(value)), "a point below the bound");
        }
      } else {
        context.check(bounds[k] <= exact, "a bound above the exact dual");
        // Relative to what the dual adds up: values of rows over boxes, and what layers pay one another.
        context.error("gap", static_cast<double>((exact - bounds[k]) / (1 + std::fabs(exact) + paid)), 1e-9);
      }
    }
  }
});

const Test points("proof: no point of the region goes below a bound", [](Context& context) {
  Random& random = context.random;
  ThreadPool pool(1);
  for (int i = 0; i < 300; ++i) {
    const std::vector<graph::Node> graph = problemGraph(random);
    const proof::ProofNetwork network(graph);
    const Region region = randomRegion(random, network.size(0), 1, std::exp(3 * normal(random) - 4));
    for (const Arithmetic arithmetic : {Arithmetic::real, Arithmetic::float32}) {
      Prover prover(network, region, arithmetic, pool);
      const proof::ImageFacts& facts = prover.image(0);
      const proof::Multipliers multipliers = plainMultipliers(
          network, facts, Claim::output, static_cast<float>(std::exp(3 * normal(random) - 3)));
      std::vector<Claim> claims;
      for (int k = 0; k < 9; ++k) claims.push_back(outputClaim(random, network, 0, &multipliers));
      const std::vector<double> bounds = prover.lowerBounds(claims);
      for (int p = 0; p < 20; ++p) {
        const std::vector<double> x = samplePoint(random, region, 0);
        const std::vector<long double> y = exactForward(network.network(), x);
        for (size_t j = 0; j < y.size(); ++j) {
          context.check(facts.at(network.nodeCount() - 1).lower[j] <= y[j] &&
                            y[j] <= facts.at(network.nodeCount() - 1).upper[j],
                        "an output outside its box");
        }
        for (int k = 0; k < 9; ++k) {
          context.check(std::isfinite(bounds[k]), "a bound that is not finite");
          context.check(bounds[k] <= rowValue(claims[k], y), "a point below the bound");
        }
      }
    }
  }
});

}  // namespace
}  // namespace bulwark::selftest
