// The prover's own promises: what it refuses, that neither threads nor neighbours change a bit, and that its
// network matches the engine's.
#include <algorithm>
#include <cmath>
#include <set>
#include <span>
#include <stdexcept>
#include <string>

#include "selftest/harness.h"
#include "selftest/proof_problems.h"
#include "selftest/proof_reference.h"
#include "selftest/reference.h"

namespace bulwark::selftest {
namespace {

using proof::Arithmetic;
using proof::Claim;
using proof::Prover;

const std::vector<double> none;

/// All weights and scales of a graph, and the 2 of x + x.
std::set<double> constantsOf(const std::vector<graph::Node>& graph) {
  std::set<double> result = {2};
  for (const graph::Node& node : graph) {
    if (const auto* linear = std::get_if<graph::Linear>(&node.op))
      result.insert(linear->weight.begin(), linear->weight.end());
    if (const auto* conv = std::get_if<graph::Conv>(&node.op))
      result.insert(conv->weight.begin(), conv->weight.end());
    if (const auto* scale = std::get_if<graph::Scale>(&node.op))
      result.insert(scale->scale.begin(), scale->scale.end());
  }
  return result;
}

const Test parity("proof: the exact network has the engine's ReLUs, in its order", [](Context& context) {
  Random& random = context.random;
  for (int i = 0; i < 500; ++i) {
    std::vector<graph::Node> graph = randomGraph(random, pick(random, 1, 14));
    if (i % 5 == 0) {  // a ReLU whose repetition shows only after folding
      GraphBuilder builder({1});
      builder.nodes = graph;
      const int x = builder.relu(builder.last());
      const int a = builder.scale(random, x, false), b = builder.scale(random, a, false);
      for (const double factor : {0.5, 2.0}) {
        auto& scale = std::get<graph::Scale>(builder.nodes[factor < 1 ? a : b].op);
        std::fill(scale.scale.begin(), scale.scale.end(), factor);
        std::fill(scale.shift.begin(), scale.shift.end(), 0);
      }
      builder.relu(b);
      graph = builder.nodes;
    }
    const Network folded = lower(graph), exact = lower(graph, Folding::none);
    context.check(folded.order(0) == exact.order(0), "inputs are stored alike");
    context.check(folded.order(static_cast<int>(folded.nodes.size()) - 1) ==
                      exact.order(static_cast<int>(exact.nodes.size()) - 1),
                  "outputs are stored alike");
    const std::vector<int> a = reluNodes(folded), b = reluNodes(exact);
    context.check(a.size() == b.size(), "as many ReLUs");
    if (a.size() != b.size()) continue;
    const std::vector<double> x = normals(random, exact.inputSize());
    const auto valuesA = nodeValues(folded, x), valuesB = nodeValues(exact, x);
    for (size_t k = 0; k < a.size(); ++k) {
      const std::vector<double>&p = valuesA[folded.nodes[a[k]].inputs[0]],
            &q = valuesB[exact.nodes[b[k]].inputs[0]];
      context.check(p.size() == q.size(), "ReLUs of one size");
      double largest = 1e-6;
      for (const double value : q) largest = std::max(largest, std::fabs(value));
      for (size_t j = 0; j < p.size() && j < q.size(); ++j)
        context.error("pre-activations", std::fabs(p[j] - q[j]) / largest, 1e-9);
    }
    const std::set<double> stored = constantsOf(graph);
    for (const Affine& affine : exact.affines) {
      const auto* linear = std::get_if<Linear>(&affine);
      const auto* conv = std::get_if<Conv>(&affine);
      const auto* scale = std::get_if<Scale>(&affine);
      for (const double value : linear ? linear->weight : conv ? conv->weight : scale ? scale->scale : none)
        context.check(stored.contains(value), "every weight is a stored one");
    }
  }
});

/// The affine nodes from `node` back to the first node that is none, last one first.
std::vector<int> chainTo(const Network& network, int node) {
  std::vector<int> chain;
  for (; network.nodes[node].kind == NodeKind::affine; node = network.nodes[node].inputs[0])
    chain.push_back(node);
  return chain;
}

double productOfNorms(const Network& network, std::span<const int> nodes) {
  double product = 1;
  for (const int node : nodes) product *= spectralNormBound(network.affines[network.nodes[node].affine]);
  return product;
}

// What the proof composes need not be what the engine folds: either may stop where one operator would do more
// work than two, or where a node has another reader, and the parts that are left need not match. A chain that
// is one operator here is the composition of whatever parts the engine has.
const Test radii("proof: balls are no looser than those of what they are composed of", [](Context& context) {
  Random& random = context.random;
  ThreadPool pool(1);
  int whole = 0, longer = 0;
  for (int i = 0; i < 200; ++i) {
    const auto graph = problemGraph(random);
    const proof::ProofNetwork exact(graph);
    const Network folded = lower(graph);
    Region region = randomRegion(random, exact.size(0), 1, 0.3);
    region.kind = InputKind::l2, region.eps = {0.3}, region.lower.clear(), region.upper.clear();
    Prover prover(exact, region, Arithmetic::real, pool);
    // A norm is bounded to within a part of it, a composition is known to within its error.
    const auto compare = [&](const char* what, const proof::Composition& composition, double parts) {
      const double over = composition.norm - composition.error - parts;
      context.error(what, over / std::max(parts, 1e-3), 1e-7);
    };
    for (int id = 0; id < exact.nodeCount(); ++id) {
      if (exact.network().nodes[id].kind != NodeKind::affine) continue;
      const proof::Composition& composition = exact.composition(id);
      if (!(composition.norm < INFINITY)) continue;
      std::vector<int> nodes = chainTo(exact.network(), id);
      nodes.erase(std::find(nodes.begin(), nodes.end(), composition.start), nodes.end());
      compare("node by node", composition, productOfNorms(exact.network(), nodes));
      const proof::ImageFacts& facts = prover.image(0);
      const double rho = composition.norm * facts.at(composition.start).rho + facts.at(id).drift;
      context.error("radius", std::fabs(facts.at(id).rho - rho) / std::max(rho, 1e-3), 1e-12);
      // Roundings on the way are of |A| |x| + |b|, and pass on by Frobenius norms.
      double largest = proof::normUp(facts.at(composition.start).magnitude), passed = 1, roundings = 0;
      for (const int node : nodes) {
        largest = std::max(largest, proof::normUp(facts.at(node).magnitude));
        passed *= std::max(1.0, exact.frobenius(node));
        roundings += 4 * proof::gamma(exact.operatorOf(node).forwardTerms() + 8.0);
      }
      context.check(facts.at(id).drift <= roundings * passed * largest + 1e-100, "more drift than roundings");
    }
    const std::vector<int> a = reluNodes(folded);
    for (size_t k = 0; k < a.size(); ++k) {
      const int pre = exact.targetNode(static_cast<int>(k));
      const std::vector<int> mine = chainTo(exact.network(), pre),
                             engine = chainTo(folded, folded.nodes[a[k]].inputs[0]);
      if (mine.empty()) continue;
      if (exact.network().nodes[exact.composition(pre).start].kind == NodeKind::affine) continue;
      ++whole;
      longer += mine.size() > 1;
      compare("folded", exact.composition(pre), productOfNorms(folded, engine));
    }
  }
  context.check(whole > 150 && longer > 50, "chains that are one operator");
});

const Test refusals("proof: numbers that are no multipliers prove nothing", [](Context& context) {
  Random& random = context.random;
  ThreadPool pool(1);
  const double bad[] = {std::nan(""), INFINITY, -INFINITY};
  for (int i = 0; i < 40; ++i) {
    const proof::ProofNetwork network(problemGraph(random));
    Region region = randomRegion(random, network.size(0), 1, 0.1);
    Prover prover(network, region, Arithmetic::real, pool);
    proof::Multipliers good = plainMultipliers(network, prover.image(0), Claim::output, 0.5f);
    Claim claim = outputClaim(random, network, 0, &good);
    const double honest = prover.lowerBounds({&claim, 1})[0];
    context.check(std::isfinite(honest), "good multipliers give a bound");
    const auto refused = [&](const char* what) {
      context.check(prover.lowerBounds({&claim, 1})[0] == -INFINITY, what);
    };
    const size_t k = pick(random, 0, static_cast<int>(good.slope.size()) - 1);
    proof::Multipliers changed = good;
    claim.multipliers = &changed;
    for (const double value : bad) {
      changed.slope[k][pick(random, 0, static_cast<int>(good.slope[k].size()) - 1)] =
          static_cast<float>(value);
      refused("a slope that is not finite");
      changed = good;
      changed.lambda[k] = static_cast<float>(value);
      refused("a lambda that is not finite");
      changed = good;
      changed.inputLambda = static_cast<float>(value);
      refused("an input lambda that is not finite");
      changed = good;
      const double constant = claim.constant;
      claim.constant = value;
      refused("a constant that is not finite");
      claim.constant = constant;
      const double entry = claim.row[0];
      claim.row[0] = value;
      refused("a row that is not finite");
      claim.row[0] = entry;
    }
    changed.lambda[k] = -1e-30f;
    refused("a negative lambda");
    changed = good;
    changed.inputLambda = -1;
    refused("a negative input lambda");
    changed = good;
    context.check(prover.lowerBounds({&claim, 1})[0] == honest, "the same claim, the same bound");

    for (const double value : bad) {
      Region broken = region;
      (pick(random, 0, 1) || broken.lower.empty() ? broken.center : broken.lower)[0] = value;
      if (broken.center[0] == region.center[0] && value == -INFINITY && region.kind != InputKind::box)
        continue;
      Prover nothing(network, broken, Arithmetic::real, pool);
      context.check(nothing.lowerBounds({&claim, 1})[0] == -INFINITY, "a region that is not finite");
    }
    const auto throws = [&](const char* what, const auto& change) {
      Claim wrong = claim;
      proof::Multipliers other = good;
      wrong.multipliers = &other;
      change(wrong, other);
      try {
        prover.lowerBounds({&wrong, 1});
        context.check(false, what);
      } catch (const std::invalid_argument&) {
      }
    };
    throws("an image that is not there", [](Claim& c, auto&) { c.image = 1; });
    throws("a ReLU that is not there", [](Claim& c, auto&) { c.target = 99; });
    throws("a short row", [](Claim& c, auto&) { c.row.pop_back(); });
    throws("a feature that is not there", [](Claim& c, auto&) { c.row.clear(), c.feature = 4; });
    throws("no multipliers", [](Claim& c, auto&) { c.multipliers = nullptr; });
    throws("too few slopes", [](Claim&, auto& m) { m.slope.back().pop_back(); });
    throws("too few lambdas", [](Claim&, auto& m) { m.lambda.pop_back(); });
    throws("a split that is not there", [](Claim& c, auto&) { c.splits.push_back({0, -1, true}); });
  }
});

const Test splits("proof: splits hold on their part, and both parts together cover", [](Context& context) {
  Random& random = context.random;
  ThreadPool pool(1);
  int helped = 0;
  for (int i = 0; i < 200; ++i) {
    const proof::ProofNetwork network(problemGraph(random));
    const Region region = randomRegion(random, network.size(0), 1, 0.3);
    Prover prover(network, region, Arithmetic::real, pool);
    const proof::Multipliers multipliers = plainMultipliers(network, prover.image(0), Claim::output, 0.1f);
    const Claim whole = outputClaim(random, network, 0, &multipliers);
    const int relu = pick(random, 0, static_cast<int>(network.relus().size()) - 1);
    const int node = network.targetNode(relu), feature = pick(random, 0, network.size(node) - 1);
    std::vector<Claim> claims = {whole, whole, whole};
    claims[1].splits = {{relu, feature, true}};
    claims[2].splits = {{relu, feature, false}};
    const std::vector<double> bounds = prover.lowerBounds(claims);
    context.check(std::min(bounds[1], bounds[2]) >= bounds[0] - 1e-9 * (1 + std::fabs(bounds[0])),
                  "a part's bound is no worse than the whole's");
    if (bounds[1] > bounds[0] + 1e-6 || bounds[2] > bounds[0] + 1e-6) ++helped;
    for (int p = 0; p < 20; ++p) {
      const std::vector<double> x = samplePoint(random, region, 0);
      const auto values = nodeValues(network.network(), x);
      const double value = rowValue(whole, exactForward(network.network(), x));
      context.check(bounds[values[node][feature] >= 0 ? 1 : 2] <= value, "a point below its part's bound");
    }
  }
  context.check(helped > 20, "splits help");
});

const Test threads("proof: threads and neighbours change no bit", [](Context& context) {
  Random& random = context.random;
  ThreadPool one(1), four(4);
  for (int i = 0; i < 40; ++i) {
    const proof::ProofNetwork network(problemGraph(random));
    const Region region = randomRegion(random, network.size(0), 6, 0.1);
    for (const Arithmetic arithmetic : {Arithmetic::real, Arithmetic::float32}) {
      Prover a(network, region, arithmetic, one), b(network, region, arithmetic, four);
      std::vector<proof::Multipliers> multipliers(60);
      std::vector<Claim> claims;
      for (int k = 0; k < 60; ++k) {
        multipliers[k] = randomMultipliers(random, network, Claim::output, false);
        claims.push_back(outputClaim(random, network, pick(random, 0, 5), &multipliers[k]));
      }
      const std::vector<double> wanted = a.lowerBounds(claims);
      context.check(b.lowerBounds(claims) == wanted, "four threads");
      for (int k = 0; k < 60; k += 7)
        context.check(a.lowerBounds({&claims[k], 1})[0] == wanted[k], "a claim on its own");
    }
  }
});

}  // namespace
}  // namespace bulwark::selftest
