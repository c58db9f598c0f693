// What the ball of a pre-activation owes to the ReLU before it: sound at points, and never more than the
// radius.
#include <algorithm>
#include <cmath>

#include "proof/chain.h"
#include "selftest/harness.h"
#include "selftest/proof_problems.h"
#include "selftest/proof_reference.h"

namespace bulwark::selftest {
namespace {

using Values = std::vector<std::vector<long double>>;

Values valuesAt(const Network& network, const std::vector<double>& x) {
  Values result;
  for (size_t id = 0; id < network.nodes.size(); ++id) {
    Network part = network;
    part.nodes.resize(id + 1);
    result.push_back(exactForward(part, x));
  }
  return result;
}

long double distance2(const std::vector<long double>& a, const std::vector<double>& b) {
  long double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

const Test chainTest("proof: balls follow from what passes the ReLU before", [](Context& context) {
  Random& random = context.random;
  ThreadPool pool(1);
  int chained = 0, tighter = 0;
  for (int i = 0; i < 100; ++i) {
    const proof::ProofNetwork network(problemGraph(random));
    Region region = randomRegion(random, network.size(0), 1, std::exp(2 * normal(random) - 3));
    for (const proof::Arithmetic arithmetic : {proof::Arithmetic::real, proof::Arithmetic::float32}) {
      const proof::Prover prover(network, region, arithmetic, pool);
      const proof::ImageFacts& facts = prover.image(0);
      if (!facts.valid()) continue;
      for (int sample = 0; sample < 5; ++sample) {
        const Values values = valuesAt(network.network(), samplePoint(random, region, 0));
        for (const int relu : network.relus()) {
          const int pre = network.network().nodes[relu].inputs[0];
          const proof::BallChain chain = proof::ballChain(network, facts, pre);
          if (chain.relu < 0) continue;
          ++chained;
          const double rho = facts.at(pre).rho, before = facts.at(chain.relu).rho;
          const long double passed = distance2(values[chain.relu], facts.at(chain.relu).zhat);
          const long double allowed = chain.square * passed + chain.rest;
          context.check(distance2(values[pre], facts.at(pre).zhat) <= allowed,
                        "a point outside of the chain");
          context.error("more than the radius",
                        (chain.square * before * before + chain.rest) / (rho * rho) - 1, 1e-6);
          tighter += allowed < 0.5L * rho * rho;
        }
      }
    }
  }
  context.check(chained > 300 && 2 * tighter > chained, "chains, most of them far below the radius");
});

}  // namespace
}  // namespace bulwark::selftest
