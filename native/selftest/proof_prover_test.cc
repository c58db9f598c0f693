// The prover's own promises: what it refuses, that neither threads nor neighbours change a bit, that boxes
// only ever narrow, and that its network matches the engine's.
#include <algorithm>
#include <cmath>
#include <set>
#include <stdexcept>
#include <string>

#include "selftest/harness.h"
#include "selftest/proof_reference.h"
#include "selftest/reference.h"

namespace bulwark::selftest {
namespace {

using proof::Arithmetic;
using proof::Claim;
using proof::Prover;

std::vector<int> reluNodes(const Network& network) {
  std::vector<int> result;
  for (size_t id = 0; id < network.nodes.size(); ++id) {
    if (network.nodes[id].kind == NodeKind::relu) result.push_back(static_cast<int>(id));
  }
  return result;
}

/// The values of all nodes at x, in double.
std::vector<std::vector<double>> nodeValues(const Network& network, const std::vector<double>& x) {
  std::vector<std::vector<double>> result;
  for (size_t id = 0; id < network.nodes.size(); ++id) {
    Network part = network;
    part.nodes.resize(id + 1);
    const std::vector<long double> y = exactForward(part, x);
    result.emplace_back(y.begin(), y.end());
  }
  return result;
}

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

const Test radii("proof: balls are no looser than those of the folded network", [](Context& context) {
  Random& random = context.random;
  ThreadPool pool(1);
  for (int i = 0; i < 200; ++i) {
    const auto graph = problemGraph(random);
    const proof::ProofNetwork exact(graph);
    Region region = randomRegion(random, exact.size(0), 1, 0.3);
    region.kind = InputKind::l2, region.eps = {0.3}, region.lower.clear(), region.upper.clear();
    Prover prover(exact, region, Arithmetic::real, pool);
    const Network folded = lower(graph);
    std::vector<double> rho;
    for (const Node& node : folded.nodes) {
      if (node.kind == NodeKind::input) rho.push_back(0.3);
      if (node.kind == NodeKind::affine)
        rho.push_back(rho[node.inputs[0]] * spectralNormBound(folded.affines[node.affine]));
      if (node.kind == NodeKind::relu) rho.push_back(rho[node.inputs[0]]);
      if (node.kind == NodeKind::add) rho.push_back(rho[node.inputs[0]] + rho[node.inputs[1]]);
    }
    const std::vector<int> a = reluNodes(folded);
    for (size_t k = 0; k < a.size(); ++k) {
      const double mine = prover.image(0).at(exact.targetNode(static_cast<int>(k))).rho;
      const double engine = rho[folded.nodes[a[k]].inputs[0]];
      context.error("radius", (mine - engine) / std::max(engine, 1e-3), 1e-7);
    }
  }
});

/// Boxes of all nodes by interval steps, without a thought for rounding.
std::vector<std::vector<double>> intervalSteps(const Network& network, const proof::InputSet& input,
                                               std::vector<std::vector<double>>& upper) {
  std::vector<std::vector<double>> lower = {input.lower};
  upper = {input.upper};
  for (size_t id = 1; id < network.nodes.size(); ++id) {
    const Node& node = network.nodes[id];
    std::vector<double> l = lower[node.inputs[0]], u = upper[node.inputs[0]];
    if (node.kind == NodeKind::affine) {
      const Affine& affine = network.affines[node.affine];
      const std::vector<double> from = l, to = u;
      const std::vector<long double> bias =
          exactForward({{{NodeKind::input, "x", network.nodes[node.inputs[0]].shape, {}, -1},
                         {NodeKind::affine, "y", node.shape, {0}, 0}},
                        {affine}},
                       std::vector<double>(from.size()));
      l.assign(bias.begin(), bias.end());
      u = l;
      eachWeight(affine, [&](int o, int i, double weight) {
        l[o] += weight * (weight > 0 ? from : to)[i];
        u[o] += weight * (weight > 0 ? to : from)[i];
      });
    }
    for (size_t i = 0; i < l.size(); ++i) {
      if (node.kind == NodeKind::relu) l[i] = std::max(l[i], 0.0), u[i] = std::max(u[i], 0.0);
      if (node.kind == NodeKind::add) l[i] += lower[node.inputs[1]][i], u[i] += upper[node.inputs[1]][i];
    }
    lower.push_back(std::move(l));
    upper.push_back(std::move(u));
  }
  return lower;
}

const Test joining("proof: boxes are no looser than interval steps of the folded network",
                   [](Context& context) {
                     Random& random = context.random;
                     ThreadPool pool(1);
                     int tighter = 0;
                     for (int i = 0; i < 200; ++i) {
                       // Matrices in a row, with what folds into them between, before and after a ReLU.
                       GraphBuilder builder({pick(random, 2, 9)});
                       for (int layer = 0; layer < 3; ++layer) {
                         int at = builder.linear(random, builder.last(), {pick(random, 6, 12)});
                         if (pick(random, 0, 1)) at = builder.scale(random, at, false);
                         at = builder.linear(random, at, {pick(random, 2, 8)});
                         if (pick(random, 0, 1)) at = builder.linear(random, at, {pick(random, 2, 4)});
                         if (layer < 2) builder.relu(at);
                       }
                       const proof::ProofNetwork exact(builder.nodes);
                       Region region = randomRegion(random, exact.size(0), 1, 0.3);
                       for (const Arithmetic arithmetic : {Arithmetic::real, Arithmetic::float32}) {
                         Prover prover(exact, region, arithmetic, pool);
                         const proof::ImageFacts& facts = prover.image(0);
                         const Network folded = lower(builder.nodes);
                         std::vector<std::vector<double>> high, separateHigh;
                         const auto low = intervalSteps(folded, facts.input(), high);
                         const auto separateLow = intervalSteps(exact.network(), facts.input(), separateHigh);
                         const std::vector<int> relus = reluNodes(folded);
                         for (size_t k = 0; k < relus.size(); ++k) {
                           const int engine = folded.nodes[relus[k]].inputs[0],
                                     mine = exact.targetNode(static_cast<int>(k));
                           for (size_t j = 0; j < low[engine].size(); ++j) {
                             const double width = high[engine][j] - low[engine][j];
                             const double proven = facts.at(mine).upper[j] - facts.at(mine).lower[j];
                             const double slack = arithmetic == Arithmetic::real ? 1e-9 : 1e-3;
                             context.error("a box's width", (proven - width) / (1 + width), slack);
                             if (proven < 0.7 * (separateHigh[mine][j] - separateLow[mine][j])) ++tighter;
                           }
                         }
                         for (int p = 0; p < 10; ++p) {
                           const std::vector<double> x = samplePoint(random, region, 0);
                           const auto values = nodeValues(exact.network(), x);
                           for (int id = 1; id < exact.nodeCount(); ++id) {
                             for (size_t j = 0; j < values[id].size(); ++j) {
                               context.check(facts.at(id).lower[j] <= values[id][j] &&
                                                 values[id][j] <= facts.at(id).upper[j],
                                             "a value outside");
                             }
                           }
                         }
                       }
                     }
                     context.check(tighter > 500, "joining narrows boxes");
                   });

const Test tightening("proof: boxes narrow, hold every point, and the rest follows", [](Context& context) {
  Random& random = context.random;
  ThreadPool pool(1);
  int narrower = 0;
  for (int i = 0; i < 100; ++i) {
    const proof::ProofNetwork network(problemGraph(random));
    const Region region = randomRegion(random, network.size(0), 1, 0.2);
    Prover plain(network, region, Arithmetic::real, pool), prover(network, region, Arithmetic::real, pool);
    std::vector<proof::Multipliers> multipliers;
    std::vector<Claim> claims;
    for (size_t k = 0; k < network.relus().size(); ++k)
      multipliers.push_back(plainMultipliers(network, plain.image(0), static_cast<int>(k), 0.1f));
    for (size_t k = 0; k < network.relus().size(); ++k) {
      for (int feature = 0; feature < network.size(network.relus()[k]); ++feature) {
        for (const double sign : {1.0, -1.0}) {
          Claim claim;
          claim.target = static_cast<int>(k);
          claim.feature = feature;
          claim.sign = sign;
          claim.multipliers = &multipliers[k];
          claims.push_back(claim);
        }
      }
    }
    const std::vector<double> bounds = prover.tighten(claims);
    for (size_t c = 0; c < claims.size(); ++c) {
      const proof::NodeFacts& facts = prover.image(0).at(network.targetNode(claims[c].target));
      const int feature = claims[c].feature;
      context.check(
          claims[c].sign > 0 ? facts.lower[feature] >= bounds[c] : facts.upper[feature] <= -bounds[c],
          "a box keeps what was proven");
    }
    for (int p = 0; p < 10; ++p) {
      const std::vector<double> x = samplePoint(random, region, 0);
      const auto values = nodeValues(network.network(), x);
      for (int id = 1; id < network.nodeCount(); ++id) {
        const proof::NodeFacts &before = plain.image(0).at(id), &after = prover.image(0).at(id);
        for (size_t j = 0; j < values[id].size(); ++j) {
          context.check(after.lower[j] <= values[id][j] && values[id][j] <= after.upper[j],
                        "a value outside");
          const double width = before.upper[j] - before.lower[j];
          context.check(after.upper[j] - after.lower[j] <= width * (1 + 1e-9) + 1e-12, "a box that widened");
          if (after.upper[j] - after.lower[j] < 0.99 * width) ++narrower;
        }
      }
    }
  }
  context.check(narrower > 1000, "boxes narrow");
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

const Test treeBoxes(
    "proof: a box takes the worst leaf of a tree, and only a whole tree's", [](Context& context) {
      Random& random = context.random;
      ThreadPool pool(1);
      int trees = 0;
      for (int i = 0; i < 200; ++i) {
        const proof::ProofNetwork network(problemGraph(random));
        if (network.relus().size() < 2) continue;
        const Region region = randomRegion(random, network.size(0), 1, 0.3);
        Prover whole(network, region, Arithmetic::real, pool),
            prover(network, region, Arithmetic::real, pool);
        const int target = pick(random, 1, static_cast<int>(network.relus().size()) - 1);
        const std::vector<int> below = network.relusBelow(target);
        if (below.empty()) continue;
        const proof::Multipliers multipliers = plainMultipliers(network, whole.image(0), target, 0.1f);
        const int relu = below[pick(random, 0, static_cast<int>(below.size()) - 1)];
        Claim claim;
        claim.target = target;
        claim.feature = pick(random, 0, network.size(network.targetNode(target)) - 1);
        claim.multipliers = &multipliers;
        std::vector<Claim> sides(2, claim);
        const int feature = pick(random, 0, network.size(network.targetNode(relu)) - 1);
        sides[0].splits = {{relu, feature, true}};
        sides[1].splits = {{relu, feature, false}};
        bool refused = false;
        try {
          Prover(network, region, Arithmetic::real, pool).tighten({&sides[0], 1});
        } catch (const std::invalid_argument&) {
          refused = true;
        }
        context.check(refused, "one side of a split is no cover");
        const double plain = whole.tighten({&claim, 1})[0];
        const std::vector<double> bounds = prover.tighten(sides);
        const double least = std::min(bounds[0], bounds[1]);
        const proof::NodeFacts& facts = prover.image(0).at(network.targetNode(target));
        context.check(facts.lower[claim.feature] >= least, "the box keeps the worst leaf's bound");
        // Of the same multipliers, the worse side is the whole.
        context.check(std::fabs(least - plain) <= 1e-9 * (1 + std::fabs(plain)), "as without the split");
        ++trees;
        for (int p = 0; p < 20; ++p) {
          const auto values = nodeValues(network.network(), samplePoint(random, region, 0));
          context.check(values[network.targetNode(target)][claim.feature] >= facts.lower[claim.feature],
                        "a value outside");
        }
      }
      context.check(trees > 50, "trees: " + std::to_string(trees));
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
