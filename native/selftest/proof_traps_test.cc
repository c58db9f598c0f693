// Attempts to have something wrong proven: counterexamples planted at the edge of a region, and networks
// whose float32 runs differ from their real values.
#include <algorithm>
#include <cmath>
#include <string>

#include "selftest/harness.h"
#include "selftest/proof_problems.h"
#include "selftest/proof_reference.h"

namespace bulwark::selftest {
namespace {

using proof::Arithmetic;
using proof::Claim;
using proof::Prover;

/// The point of an unclipped region where a linear function with this gradient is least.
std::vector<double> leastPoint(const Region& region, const std::vector<long double>& g) {
  std::vector<double> x = region.center;
  long double norm = 0;
  size_t steepest = 0;
  for (size_t i = 0; i < g.size(); ++i) {
    norm += g[i] * g[i];
    if (std::fabs(g[i]) > std::fabs(g[steepest])) steepest = i;
  }
  norm = std::sqrt(norm);
  if (norm == 0) return x;
  const double eps = region.eps.empty() ? 0 : region.eps[0] * (1 - 0x1p-50);
  for (size_t i = 0; i < x.size(); ++i) {
    if (region.kind == InputKind::box) x[i] = g[i] > 0 ? region.lower[i] : region.upper[i];
    if (region.kind == InputKind::l2) x[i] -= static_cast<double>(eps * g[i] / norm);
  }
  if (region.kind == InputKind::l1) x[steepest] -= g[steepest] > 0 ? eps : -eps;
  return x;
}

/// CROWN's bounds of the same claims, by the prover's own slopes; narrows its boxes.
std::vector<double> crownBounds(Prover& prover, std::vector<Claim> claims) {
  for (Claim& claim : claims) claim.multipliers = nullptr;
  prover.tightenByCrown();
  return prover.crownBounds(claims);
}

Region unclipped(Random& random, int size, double eps) {
  Region region = randomRegion(random, size, 1, eps);
  if (region.kind != InputKind::box) region.lower.clear(), region.upper.clear();
  return region;
}

std::vector<graph::Node> residualGraph(Random& random) {
  GraphBuilder g({3, 6, 6});
  const int a = g.relu(g.scale(
      random, g.conv(random, g.scale(random, 0, true), 4, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 1), true));
  const int b = g.conv(random, g.relu(g.conv(random, a, 4, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 1)), 4,
                       {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 1);
  const int c = g.relu(g.sum(a, b));
  g.linear(random, g.relu(g.linear(random, g.reshape(c, {g.size(c)}), {8})), {5});
  return g.nodes;
}

std::vector<graph::Node> linearGraph(Random& random) {
  GraphBuilder g({20});
  int x = 0;
  for (int layer = pick(random, 1, 4); layer > 0; --layer) x = g.relu(g.linear(random, x, {15}));
  g.linear(random, x, {5});
  return g.nodes;
}

/// Where all neurons keep their sign the bound is the exact minimum: nothing but rounding stands between a
/// counterexample and a wrong proof.
const Test planted("proof: planted counterexamples, within 1e-7 of zero, are never verified",
                   [](Context& context) {
                     Random& random = context.random;
                     ThreadPool pool(1);
                     int tight = 0, instances = 0;
                     for (int i = 0; i < 600; ++i) {
                       const auto graph = i % 3 == 0   ? linearGraph(random)
                                          : i % 3 == 1 ? problemGraph(random)
                                                       : residualGraph(random);
                       const proof::ProofNetwork network(graph);
                       const Region region =
                           unclipped(random, network.size(0), std::pow(10.0, -pick(random, 1, 9)));
                       for (const Arithmetic arithmetic : {Arithmetic::real, Arithmetic::float32}) {
                         Prover prover(network, region, arithmetic, pool);
                         const proof::Multipliers multipliers = plainMultipliers(
                             network, prover.image(0), Claim::output, static_cast<float>(pick(random, 0, 1)));
                         Claim claim = outputClaim(random, network, 0, &multipliers);
                         const std::vector<double> x =
                             leastPoint(region, gradientAt(network.network(), claim.row, region.center));
                         claim.constant = 0;
                         const double value = rowValue(claim, exactForward(network.network(), x));
                         const double below = std::pow(10.0, -pick(random, 7, 16));
                         claim.constant = -value;
                         // At x the row is now 0 up to the rounding of `constant`; move it just below.
                         while (rowValue(claim, exactForward(network.network(), x)) > 0)
                           claim.constant -= 1e-15 * (1 + std::fabs(claim.constant));
                         const double bound = prover.lowerBounds({&claim, 1})[0];
                         context.check(!(bound > 0), "a row that is 0 in the region is verified");
                         context.check(!(crownBounds(prover, {claim})[0] > 0), "verified by CROWN");
                         claim.constant -= below;
                         context.check(!(prover.lowerBounds({&claim, 1})[0] > 0),
                                       "a row that is negative in the region is verified");
                         ++instances;
                         if (arithmetic == Arithmetic::real && bound > -1e-9 * (1 + std::fabs(value)))
                           ++tight;
                       }
                     }
                     context.check(tight > instances / 20,
                                   "too few of the planted bounds are tight: " + std::to_string(tight));
                   });

/// Constants that float32 runs handle badly: pairs that cancel, sizes that absorb, subnormal and huge ones.
void setTraps(Random& random, std::vector<graph::Node>& nodes) {
  for (graph::Node& node : nodes) {
    std::vector<double>* weight = nullptr;
    if (auto* linear = std::get_if<graph::Linear>(&node.op)) weight = &linear->weight;
    if (auto* conv = std::get_if<graph::Conv>(&node.op)) weight = &conv->weight;
    if (auto* scale = std::get_if<graph::Scale>(&node.op)) weight = &scale->scale;
    if (!weight) continue;
    const int kind = pick(random, 0, 6);
    const double size = std::pow(10.0, pick(random, 0, 8));
    for (size_t w = 0; w < weight->size(); ++w) {
      double& value = (*weight)[w];
      if (kind == 0 && w % 2 == 1) value = -(*weight)[w - 1] + 1e-3 * normal(random);
      if (kind == 0) value *= size;
      if (kind == 1 && pick(random, 0, 2) == 0) value *= size;
      if (kind == 2 && pick(random, 0, 2) == 0) value *= 1e-41;
      if (kind == 3 && pick(random, 0, 2) == 0) value *= 1e-310;
      if (kind == 4) value *= 1e8;
      if (kind == 5) value *= 1e-12;
      value = static_cast<double>(kind == 3 ? value : static_cast<float>(value));
    }
  }
}

const Test traps("proof: float traps are seen through at both levels", [](Context& context) {
  Random& random = context.random;
  ThreadPool pool(1);
  int finite = 0;
  for (int i = 0; i < 300; ++i) {
    auto graph = i % 3 == 0 ? linearGraph(random) : i % 3 == 1 ? problemGraph(random) : residualGraph(random);
    if (i % 2) setTraps(random, graph);
    const proof::ProofNetwork network(graph);
    const Region region = unclipped(random, network.size(0), std::pow(10.0, -pick(random, 0, 8)));
    Prover real(network, region, Arithmetic::real, pool), single(network, region, Arithmetic::float32, pool);
    const int ball = pick(random, 0, 1);
    const proof::Multipliers multipliers =
        plainMultipliers(network, real.image(0), Claim::output, static_cast<float>(ball));
    std::vector<Claim> claims;
    for (int k = 0; k < 4; ++k) claims.push_back(outputClaim(random, network, 0, &multipliers));
    const std::vector<double> reals = real.lowerBounds(claims), singles = single.lowerBounds(claims);
    const std::vector<double> crown = crownBounds(real, claims), crownSingle = crownBounds(single, claims);
    const proof::NodeFacts& box = single.image(0).at(network.nodeCount() - 1);
    for (int k = 0; k < 4; ++k) {
      // With a ball, where drift enters its chain depends on the level, so that either may be the looser one.
      context.check(ball || singles[k] <= reals[k], "float32 proves more than real");
      if (!std::isfinite(singles[k])) continue;
      ++finite;
      const std::vector<double> least =
          leastPoint(region, gradientAt(network.network(), claims[k].row, region.center));
      for (int p = 0; p < 6; ++p) {
        const std::vector<double> x = p < 4 ? least : samplePoint(random, region, 0);
        const double exact = rowValue(claims[k], exactForward(network.network(), x));
        context.check(reals[k] <= exact && singles[k] <= exact, "a real value below");
        context.check(crown[k] <= exact, "a real value below CROWN's bound");
        const std::vector<float> y = floatForward(random, network.network(), x);
        for (size_t j = 0; j < y.size(); ++j)
          context.check(box.lower[j] <= y[j] && y[j] <= box.upper[j], "a float32 output outside its box");
        const double value = rowValue(claims[k], {y.begin(), y.end()});
        context.check(singles[k] <= value, "a float32 value below");
        context.check(crownSingle[k] <= value, "a float32 value below CROWN's bound");
      }
    }
  }
  context.check(finite > 900, "too few float32 bounds: " + std::to_string(finite));
});

}  // namespace
}  // namespace bulwark::selftest
