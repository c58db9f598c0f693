// The prover's boxes: they hold every point, only ever narrow, and are no looser than they need be.
#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "selftest/harness.h"
#include "selftest/proof_problems.h"
#include "selftest/proof_reference.h"
#include "selftest/reference.h"

namespace bulwark::selftest {
namespace {

using proof::Arithmetic;
using proof::Claim;
using proof::Prover;

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

}  // namespace
}  // namespace bulwark::selftest
