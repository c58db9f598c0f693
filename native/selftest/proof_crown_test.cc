// CROWN as the prover computes it: against points, against the general walk with the same slopes.
#include <algorithm>
#include <cmath>

#include "proof/prover.h"
#include "selftest/batch.h"
#include "selftest/harness.h"
#include "selftest/proof_problems.h"
#include "selftest/proof_reference.h"

namespace bulwark::selftest {
namespace {

using proof::AffineRow;
using proof::Arithmetic;
using proof::Claim;
using proof::Prover;

struct Affine {
  std::vector<float> slope;
  double offset;
};

const Test crown("proof: no point falls below CROWN's bounds or out of its boxes", [](Context& context) {
  Random& random = context.random;
  ThreadPool pool(1), two(2);
  int proven = 0, tight = 0, narrowed = 0;
  for (int i = 0; i < 150; ++i) {
    const proof::ProofNetwork network(problemGraph(random));
    const Network& graph = network.network();
    const Region region = randomRegion(random, network.size(0), 2, 0.2);
    for (const Arithmetic arithmetic : {Arithmetic::real, Arithmetic::float32}) {
      Prover prover(network, region, arithmetic, pool), plain(network, region, arithmetic, two);
      prover.tightenByCrown();
      std::vector<Claim> claims;
      for (int image = 0; image < 2; ++image) {
        for (int row = 0; row < 5; ++row) claims.push_back(outputClaim(random, network, image, nullptr));
      }
      std::vector<Affine> affine(claims.size(), {std::vector<float>(network.size(0)), 0});
      std::vector<AffineRow> rows;
      for (Affine& each : affine) rows.push_back({each.slope.data(), &each.offset});
      const std::vector<double> bounds = prover.crownBounds(claims, rows);
      const std::vector<double> alone = prover.crownBounds({&claims[7], 1});
      context.check(alone[0] == bounds[7], "a claim's company changes its bound");
      plain.tightenByCrown();
      context.check(plain.crownBounds(claims) == bounds, "threads or affine rows change a bound");

      for (int image = 0; image < 2; ++image) {
        const proof::ImageFacts& facts = prover.image(image);
        if (!facts.valid()) continue;
        const Prover cheap(network, region, arithmetic, pool);
        for (int p = 0; p < 20; ++p) {
          const std::vector<double> x = samplePoint(random, region, image);
          const auto values = nodeValues(graph, x);
          for (int target = 0; target < static_cast<int>(network.relus().size()); ++target) {
            const int node = network.targetNode(target);
            for (int f = 0; f < network.size(node); ++f) {
              const double slack = 1e-12 * (1 + std::abs(values[node][f]));
              context.check(values[node][f] >= facts.at(node).lower[f] - slack &&
                                values[node][f] <= facts.at(node).upper[f] + slack,
                            "a neuron out of its box");
              narrowed += facts.at(node).upper[f] < cheap.image(image).at(node).upper[f];
            }
          }
          const std::vector<long double> exact = exactForward(graph, x);
          std::vector<long double> inFloat;
          for (const float value : floatForward(random, graph, x)) inFloat.push_back(value);
          for (size_t row = 0; row < claims.size(); ++row) {
            if (claims[row].image != image) continue;
            long double linear = affine[row].offset;
            for (size_t j = 0; j < x.size(); ++j)
              linear += static_cast<long double>(affine[row].slope[j]) * x[j];
            for (const bool inexact : {false, true}) {
              if (inexact && arithmetic == Arithmetic::real) continue;
              const double value = rowValue(claims[row], inexact ? inFloat : exact);
              const double slack = 1e-13 * (1 + std::abs(value));
              context.check(value >= bounds[row] - slack, "a point below a bound");
              context.check(value >= static_cast<double>(linear) - slack, "a point below an affine bound");
            }
          }
        }
        for (size_t row = 0; row < claims.size(); ++row) {
          if (claims[row].image != image || !std::isfinite(bounds[row])) continue;
          ++proven;
          const proof::Multipliers slopes = plainMultipliers(network, facts, Claim::output, 0);
          Claim same = claims[row];
          same.multipliers = &slopes;
          const double general = prover.lowerBounds({&same, 1})[0];
          const double scale = 1 + std::abs(general) + std::abs(claims[row].constant);
          tight += bounds[row] >= general - 1e-4 * scale;
        }
      }
    }
  }
  context.check(proven > 1000 && narrowed > 1000 && tight > 0.5 * proven,
                std::to_string(proven) + " bounds, " + std::to_string(tight) +
                    " as good as by given slopes, " + std::to_string(narrowed) + " narrowed ends");
});

}  // namespace
}  // namespace bulwark::selftest
