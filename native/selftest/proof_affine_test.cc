// Claims with a slope on the input, and bounds from norms alone.
#include <algorithm>
#include <cmath>

#include "proof/prover.h"
#include "selftest/batch.h"
#include "selftest/harness.h"
#include "selftest/proof_problems.h"
#include "selftest/proof_reference.h"

namespace bulwark::selftest {
namespace {

using proof::Arithmetic;
using proof::Claim;
using proof::Prover;

std::vector<double> roundedRow(const std::vector<float>& values) { return {values.begin(), values.end()}; }

const Test affine("proof: no point falls below an affine bound, whatever its slope", [](Context& context) {
  Random& random = context.random;
  ThreadPool pool(1);
  int proven = 0, tight = 0;
  for (int i = 0; i < 150; ++i) {
    const proof::ProofNetwork network(problemGraph(random));
    const Region region = randomRegion(random, network.size(0), 1, 0.2);
    for (const Arithmetic arithmetic : {Arithmetic::real, Arithmetic::float32}) {
      Prover prover(network, region, arithmetic, pool);
      const proof::Multipliers multipliers = plainMultipliers(network, prover.image(0), Claim::output, 0.1f);
      Claim plain = outputClaim(random, network, 0, &multipliers), sloped = plain;
      // Near the gradient, where the bound is worth something, and anywhere.
      const auto gradient = gradientAt(network.network(), plain.row, region.center);
      const bool near = choose(random, 0, 1) == 0;
      for (const long double value : gradient)
        sloped.inputSlope.push_back(static_cast<float>(near ? value : uniform(random, -1, 1)));
      const std::vector<Claim> both = {plain, sloped};
      const std::vector<double> bounds = prover.lowerBounds(both);
      context.check(prover.lowerBounds({&both[1], 1})[0] == bounds[1], "a claim's company changes its bound");
      if (!std::isfinite(bounds[1])) continue;
      ++proven;
      double least = 0;
      for (int p = 0; p < 20; ++p) {
        const std::vector<double> x = samplePoint(random, region, 0);
        const double linear = [&] {
          long double sum = 0;
          for (size_t j = 0; j < x.size(); ++j) sum += static_cast<long double>(sloped.inputSlope[j]) * x[j];
          return static_cast<double>(sum);
        }();
        const double exact = rowValue(sloped, exactForward(network.network(), x)) - linear;
        const double slack = 1e-14 * (std::abs(exact) + std::abs(linear) + 1);  // of the doubles here
        context.check(exact >= bounds[1] - slack, "a point below the affine bound");
        least = p == 0 ? exact : std::min(least, exact);
        if (arithmetic == Arithmetic::real) continue;
        const std::vector<double> run = roundedRow(floatForward(random, network.network(), x));
        const std::vector<long double> y(run.begin(), run.end());
        context.check(rowValue(sloped, y) - linear >= bounds[1] - slack, "a float32 run below the bound");
      }
      if (near && least - bounds[1] < 1 + std::abs(least)) ++tight;
    }
  }
  context.check(proven > 200, "bounds are proven");
  context.check(tight > 20, "some are worth something");
});

const Test norms("proof: no point falls below the bound of the norms, which is not far below LipNaive",
                 [](Context& context) {
                   Random& random = context.random;
                   ThreadPool pool(1);
                   for (int i = 0; i < 150; ++i) {
                     const proof::ProofNetwork network(problemGraph(random));
                     const Region region = randomRegion(random, network.size(0), 1, 0.2);
                     for (const Arithmetic arithmetic : {Arithmetic::real, Arithmetic::float32}) {
                       Prover prover(network, region, arithmetic, pool);
                       const proof::Multipliers none;
                       const Claim claim = outputClaim(random, network, 0, &none);
                       const double bound = prover.ballBound(0, claim.row, claim.constant);
                       context.check(std::isfinite(bound), "a bound");
                       for (int p = 0; p < 20; ++p) {
                         const std::vector<double> x = samplePoint(random, region, 0);
                         const double exact = rowValue(claim, exactForward(network.network(), x));
                         context.check(exact >= bound - 1e-14 * (1 + std::abs(exact)), "a point below");
                         if (arithmetic == Arithmetic::real) continue;
                         const std::vector<double> run =
                             roundedRow(floatForward(random, network.network(), x));
                         context.check(rowValue(claim, {run.begin(), run.end()}) >= bound - 1e-14,
                                       "a float32 run below");
                       }
                       if (arithmetic == Arithmetic::float32) continue;
                       const proof::NodeFacts& output = prover.image(0).at(network.nodeCount() - 1);
                       double square = 0, nominal = claim.constant;
                       for (size_t j = 0; j < claim.row.size(); ++j) {
                         square += claim.row[j] * claim.row[j];
                         nominal += claim.row[j] * output.zhat[j];
                       }
                       const double plain = nominal - std::sqrt(square) * output.rho;
                       context.error("bound", (plain - bound) / (1 + std::abs(plain)), 1e-9);
                     }
                   }
                 });

}  // namespace
}  // namespace bulwark::selftest
