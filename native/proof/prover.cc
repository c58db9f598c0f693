#include "proof/prover.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <stdexcept>
#include <string>
#include <tuple>

#include "proof/buffers.h"
#include "proof/cover.h"
#include "proof/rounding.h"
#include "proof/walk.h"

namespace bulwark::proof {
namespace {

[[noreturn]] void refuse(const std::string& what) { throw std::invalid_argument("proof: " + what); }

/// Which ReLUs below a claim's target have multipliers per neuron; empty: none.
std::vector<bool> weighted(const Claim& claim) {
  std::vector<bool> out;
  if (!claim.multipliers) return out;
  for (const Multipliers::Weights& each : claim.multipliers->weights) out.push_back(!each.own.empty());
  return out;
}

/// What the claims of a walk have in common.
std::tuple<int32_t, bool, std::vector<bool>> kind(const Claim& claim) {
  return {claim.target, claim.inputSlope.empty(), weighted(claim)};
}

/// Shares out claims to walks. Those of one image fill walks of their own, where each fact of it is read for
/// all lanes at once; what is left over shares walks with other images.
std::vector<std::vector<int>> inBlocks(std::span<const Claim> claims, std::vector<int> order) {
  const auto key = [&](int i) { return std::pair(kind(claims[i]), claims[i].image); };
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return key(a) < key(b); });
  std::vector<std::vector<int>> whole, shared;
  for (auto begin = order.begin(), end = begin; begin != order.end();) {
    end = std::find_if(begin, order.end(), [&](int i) { return key(i) != key(*begin); });
    for (; end - begin >= kLanes; begin += kLanes) whole.emplace_back(begin, begin + kLanes);
    for (; begin != end; ++begin) {
      if (shared.empty() || shared.back().size() == kLanes ||
          kind(claims[shared.back()[0]]) != kind(claims[*begin]))
        shared.emplace_back();
      shared.back().push_back(*begin);
    }
  }
  shared.insert(shared.end(), whole.begin(), whole.end());  // the slower ones first
  return shared;
}

bool usable(const Claim& claim) {
  const Multipliers& m = *claim.multipliers;
  const auto allowed = [](float lambda) { return lambda >= 0 && std::isfinite(lambda); };
  const auto weights = [&](const Multipliers::Weights& each) {
    return std::all_of(each.own.begin(), each.own.end(), allowed) &&
           std::all_of(each.share.begin(), each.share.end(), [&](float d) { return d > 0 && allowed(d); });
  };
  return std::all_of(m.lambda.begin(), m.lambda.end(), allowed) && allowed(m.inputLambda) &&
         std::all_of(m.weights.begin(), m.weights.end(), weights) && std::isfinite(claim.constant);
}

}  // namespace

Prover::Prover(const ProofNetwork& network, const Region& region, Arithmetic arithmetic, ThreadPool& pool,
               StopCheck stop)
    : network_(network), pool_(pool), kernels_(kernels()), stop_(std::move(stop)), images_(region.count) {
  const size_t values = static_cast<size_t>(std::max(region.count, 0)) * network.size(0);
  const bool box = region.kind == InputKind::box;
  if (region.center.size() != values || (!box && region.eps.size() != images_.size()) ||
      region.lower.size() != region.upper.size() ||
      (region.lower.size() != values && (box || !region.lower.empty()))) {
    refuse("the region's arrays do not fit " + std::to_string(region.count) + " inputs of " +
           std::to_string(network.size(0)) + " features");
  }
  inGroups(images_.size(), [&](size_t begin, size_t end, Buffers& buffers) {
    std::vector<ImageFacts*> group;
    for (size_t image = begin; image < end; ++image) {
      images_[image] =
          std::make_unique<ImageFacts>(network, region, static_cast<int>(image), arithmetic, kernels_);
      group.push_back(images_[image].get());
    }
    ImageFacts::propagate(group, 0, buffers);
  });
}

void Prover::inGroups(size_t count,
                      const std::function<void(size_t begin, size_t end, Buffers&)>& body) const {
  // Shared products are for when no thread would go without an image.
  const auto threads = static_cast<size_t>(pool_.size());
  const size_t together = std::clamp<size_t>(count / threads, 1, ImageFacts::kTogether);
  std::vector<Buffers> buffers(threads);
  pool_.parallelFor(static_cast<long>((count + together - 1) / together), [&](long index, int worker) {
    if (stop_()) return;
    const size_t begin = index * together;
    body(begin, std::min(begin + together, count), buffers[worker]);
  });
}

void Prover::check(const Claim& claim) const {
  if (claim.image < 0 || claim.image >= images()) refuse("claim on image " + std::to_string(claim.image));
  const int relus = static_cast<int>(network_.relus().size());
  if (claim.target < Claim::output || claim.target >= relus)
    refuse("claim on ReLU " + std::to_string(claim.target) + " of " + std::to_string(relus));
  const int size = network_.size(network_.targetNode(claim.target));
  if (claim.row.empty() ? claim.feature < 0 || claim.feature >= size || std::fabs(claim.sign) != 1
                        : static_cast<int>(claim.row.size()) != size) {
    refuse("a claim's row does not fit its target of " + std::to_string(size) + " features");
  }
  if (!claim.inputSlope.empty() && static_cast<int>(claim.inputSlope.size()) != network_.size(0))
    refuse("a claim's slope does not fit the input's " + std::to_string(network_.size(0)) + " features");
  for (const Split& split : claim.splits) {
    if (split.relu < 0 || split.relu >= relus || split.feature < 0 ||
        split.feature >= network_.size(network_.relus()[split.relu]))
      refuse("a split of neuron " + std::to_string(split.feature) + " of ReLU " + std::to_string(split.relu));
  }
}

void Prover::checkMultipliers(const Claim& claim) const {
  if (!claim.multipliers) refuse("a claim without multipliers");
  const std::vector<int>& below = network_.relusBelow(claim.target);
  if (claim.multipliers->slope.size() != below.size() || claim.multipliers->lambda.size() != below.size())
    refuse("multipliers for " + std::to_string(claim.multipliers->slope.size()) + " ReLUs, expected " +
           std::to_string(below.size()));
  const auto& weights = claim.multipliers->weights;
  if (!weights.empty() && weights.size() != below.size()) refuse("weights for another number of ReLUs");
  for (size_t k = 0; k < below.size(); ++k) {
    const auto size = static_cast<size_t>(network_.size(network_.relus()[below[k]]));
    if (claim.multipliers->slope[k].size() != size)
      refuse("slopes of ReLU " + std::to_string(below[k]) + " have the wrong number");
    if (weights.empty() || (weights[k].own.empty() && weights[k].share.empty())) continue;
    if (weights[k].own.size() != size || weights[k].share.size() != size)
      refuse("weights of ReLU " + std::to_string(below[k]) + " have the wrong number");
  }
}

std::vector<double> Prover::lowerBounds(std::span<const Claim> claims) const {
  std::vector<double> bounds(claims.size(), -kInfinity);
  std::vector<int> order;
  for (size_t i = 0; i < claims.size(); ++i) {
    check(claims[i]);
    checkMultipliers(claims[i]);
    if (usable(claims[i]) && derived(claims[i].image)) order.push_back(static_cast<int>(i));
  }
  const std::vector<std::vector<int>> blocks = inBlocks(claims, std::move(order));
  const auto kindOf = [&](size_t block) { return kind(claims[blocks[block][0]]); };
  // Blocks walk together where no thread would go without.
  const size_t most = blocks.size() >= kBlocks * static_cast<size_t>(pool_.size()) ? kBlocks : 1;
  std::vector<std::pair<size_t, size_t>> groups;
  for (size_t begin = 0, end = 0; begin < blocks.size(); begin = end) {
    end = begin + 1;
    while (end < blocks.size() && end - begin < most && kindOf(end) == kindOf(begin)) ++end;
    groups.emplace_back(begin, end);
  }
  std::vector<Buffers> buffers(pool_.size());
  pool_.parallelFor(static_cast<long>(groups.size()), [&](long index, int worker) {
    if (stop_()) return;
    const auto [begin, end] = groups[index];
    std::vector<WalkBlock> walks;
    const Claim* rows[kBlocks][kLanes];
    double proven[kBlocks][kLanes];
    for (size_t block = begin; block < end; ++block) {
      const size_t at = block - begin;
      for (size_t lane = 0; lane < blocks[block].size(); ++lane)
        rows[at][lane] = &claims[blocks[block][lane]];
      walks.push_back({{rows[at], blocks[block].size()}, proven[at]});
    }
    walkBack(network_, images_, kernels_, walks, buffers[worker]);
    for (size_t block = begin; block < end; ++block) {
      for (size_t lane = 0; lane < blocks[block].size(); ++lane)
        bounds[blocks[block][lane]] = proven[block - begin][lane];
    }
  });
  return bounds;
}

double Prover::ballBound(int image, std::span<const double> row, double constant) const {
  if (!derived(image)) return -kInfinity;
  const ImageFacts& facts = *images_[image];
  const NodeFacts& output = facts.at(network_.nodeCount() - 1);
  if (row.size() != output.zhat.size()) refuse("a row that does not fit the output");
  double sum = constant, size = std::fabs(constant);
  std::vector<double> magnitudes;
  for (size_t j = 0; j < row.size(); ++j) {
    sum += row[j] * output.zhat[j];
    size += std::fabs(row[j] * output.zhat[j]);
    magnitudes.push_back(std::fabs(row[j]));
  }
  const double rounding = up(size * 2 * gamma(static_cast<double>(row.size()) + 8));
  const double reach = up(normUp(magnitudes) * output.rho);
  const double bound = below(below(sum - rounding) - up(reach + facts.underflow()));
  return std::isfinite(bound) ? bound : -kInfinity;
}

std::vector<double> Prover::tighten(std::span<const Claim> claims) {
  std::vector<int> order(claims.size());
  std::iota(order.begin(), order.end(), 0);
  for (const Claim& claim : claims) {
    check(claim);
    checkMultipliers(claim);
    if (claim.target == Claim::output || !claim.row.empty() || claim.constant != 0)
      refuse("boxes are tightened by claims on one neuron, without constant");
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](int a, int b) { return claims[a].target < claims[b].target; });
  std::vector<double> bounds(claims.size());
  for (size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    const int target = claims[order[begin]].target, node = network_.targetNode(target);
    std::vector<Claim> layer;
    for (; end < order.size() && claims[order[end]].target == target; ++end)
      layer.push_back(claims[order[end]]);
    const std::vector<double> proven = lowerBounds(layer);
    struct Tree {
      double least = kInfinity;
      std::vector<const std::vector<Split>*> leaves;
    };
    std::map<std::tuple<int32_t, int32_t, bool>, Tree> trees;  // by image, neuron and side
    for (size_t i = 0; i < layer.size(); ++i) {
      bounds[order[begin + i]] = proven[i];
      const Claim& claim = layer[i];
      Tree& tree = trees[{claim.image, claim.feature, claim.sign > 0}];
      tree.least = std::min(tree.least, proven[i]);
      tree.leaves.push_back(&claim.splits);
    }
    std::vector<ImageFacts*> changed;
    for (const auto& [neuron, tree] : trees) {
      const auto [image, feature, lower] = neuron;
      const double bound = tree.least;
      if (!images_[image]) continue;
      if (!covers(tree.leaves)) refuse("claims on neuron " + std::to_string(feature) + " leave a part out");
      ImageFacts* facts = images_[image].get();
      facts->tighten(node, feature, lower ? bound : -kInfinity, lower ? kInfinity : -bound);
      if (changed.empty() || changed.back() != facts) changed.push_back(facts);
    }
    inGroups(changed.size(), [&](size_t from, size_t to, Buffers& buffers) {
      ImageFacts::propagate(std::span(changed).subspan(from, to - from), node, buffers);
    });
  }
  return bounds;
}

}  // namespace bulwark::proof
