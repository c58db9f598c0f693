#include "proof/prover.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>
#include <stdexcept>
#include <string>
#include <tuple>

#include "proof/buffers.h"
#include "proof/chain.h"
#include "proof/cover.h"
#include "proof/input_term.h"
#include "proof/rounding.h"

namespace bulwark::proof {
namespace {

[[noreturn]] void refuse(const std::string& what) { throw std::invalid_argument("proof: " + what); }

/// One walk back from a target, for the claims of a block: same image, same target.
class Walk {
 public:
  Walk(const ProofNetwork& network, const ImageFacts& facts, const KernelTable& kernels,
       std::span<const Claim* const> claims, Buffers& buffers)
      : network_(network),
        facts_(facts),
        kernels_(kernels),
        claims_(claims),
        buffers_(buffers),
        lanes_(claims.size() <= 4 ? 4 : kMostLanes),
        target_(network.targetNode(claims[0]->target)),
        signal_(target_ + 1) {}

  void run(double* bounds) {
    start();
    const std::vector<int> below = network_.relusBelow(claims_[0]->target);
    int layer = static_cast<int>(below.size());
    payment_.assign(network_.relus().size(), {});
    for (int id = target_; id > 0; --id) {
      if (!signal_[id]) continue;
      const Node& node = network_.network().nodes[id];
      switch (node.kind) {
        case NodeKind::affine:
          passAffine(id, node.inputs[0]);
          break;
        case NodeKind::add:
          if (!facts_.at(id).loss.empty()) lose(id);
          deliver(signal_[id].get(), node.inputs[0]);
          deliver(signal_[id].get(), node.inputs[1]);
          break;
        default:
          --layer;
          passRelu(id, node.inputs[0], below[layer], layer);
      }
      signal_[id].reset();
    }
    finish(bounds);
  }

 private:
  const Claim& claim(int lane) const { return *claims_[std::min<size_t>(lane, claims_.size() - 1)]; }

  void start() {
    const int size = network_.size(target_);
    signal_[target_] = buffers_.take(static_cast<size_t>(size) * lanes_);
    std::fill_n(signal_[target_].get(), static_cast<size_t>(size) * lanes_, 0.0);
    for (int lane = 0; lane < lanes_; ++lane) {
      double* to = signal_[target_].get() + lane;
      const Claim& c = claim(lane);
      if (c.row.empty()) {
        to[static_cast<size_t>(c.feature) * lanes_] = c.sign;
      } else {
        for (int i = 0; i < size; ++i) to[static_cast<size_t>(i) * lanes_] = c.row[i];
      }
      sum_[lane] = magnitude_[lane] = lost_[lane] = 0;
      vacuous_[lane] = false;
    }
  }

  /// What the perturbation r of a node takes.
  void lose(int id) {
    kernels_.weigh(network_.size(id), lanes_, signal_[id].get(), nullptr, facts_.at(id).loss.data(), sum_,
                   lost_);
  }

  void passAffine(int id, int from) {
    const Operator& op = network_.operatorOf(id);
    kernels_.weigh(network_.size(id), lanes_, signal_[id].get(),
                   op.bias().empty() ? nullptr : op.bias().data(), facts_.at(id).loss.data(), sum_, lost_);
    Buffers::Buffer result = buffers_.take(static_cast<size_t>(network_.size(from)) * lanes_);
    op.adjoint(kernels_, lanes_, signal_[id].get(), result.get());
    hand(std::move(result), from);
  }

  void passRelu(int id, int pre, int relu, int layer) {
    const NodeFacts& facts = facts_.at(pre);
    const int size = network_.size(id);
    const float* slope[kMostLanes];
    for (int lane = 0; lane < lanes_; ++lane) {
      const Multipliers& multipliers = *claim(lane).multipliers;
      slope[lane] = multipliers.slope[layer].data();
      lambda_[lane] = multipliers.lambda[layer];
      inverse_[lane] = 1 / lambda_[lane];
    }
    const std::vector<SplitBox> splits = splitsOf(relu, facts);
    const double* payment = payment_[relu].data();
    const bool pays = std::any_of(payment, payment + lanes_, [](double m) { return m != 0; });
    for (int lane = 0; lane < lanes_; ++lane) {
      stiff_[lane] = std::max(lambda_[lane], below(lambda_[lane] + payment[lane]));
      stiffInverse_[lane] = 1 / stiff_[lane];
    }
    Buffers::Buffer v = buffers_.take(static_cast<size_t>(size) * lanes_);
    kernels_.relu({size, lanes_, signal_[id].get(), v.get(), slope, lambda_, inverse_,
                   pays ? payment : nullptr, stiff_, stiffInverse_, facts.lower.data(), facts.upper.data(),
                   facts.zhat.data(), facts.reach.data(), splits.data(), static_cast<int>(splits.size()),
                   sum_, magnitude_});
    payBall(pre, payment);
    hand(std::move(v), pre);
  }

  /// Where the ball of a pre-activation follows from a ReLU before it, that pays; else the bound does.
  void payBall(int pre, const double* payment) {
    const BallChain chain = ballChain(network_, facts_, pre);
    const auto& relus = network_.relus();
    const double rho = facts_.at(pre).rho;
    for (int lane = 0; lane < lanes_; ++lane) {
      if (lambda_[lane] == 0 && payment[lane] == 0) continue;
      const double lambda = up(lambda_[lane] + payment[lane]);
      ball_[lane] += up(0.5 * lambda * (chain.relu < 0 ? up(rho * rho) : chain.rest));
      if (chain.relu < 0) continue;
      const auto source = std::lower_bound(relus.begin(), relus.end(), chain.relu) - relus.begin();
      payment_[source][lane] = up(payment_[source][lane] + lambda * chain.square);
    }
  }

  std::vector<SplitBox> splitsOf(int relu, const NodeFacts& facts) {
    std::vector<SplitBox> boxes;
    for (size_t lane = 0; lane < claims_.size(); ++lane) {
      for (const Split& split : claims_[lane]->splits) {
        if (split.relu != relu) continue;
        auto box = std::find_if(boxes.begin(), boxes.end(),
                                [&](const SplitBox& each) { return each.feature == split.feature; });
        if (box == boxes.end()) {
          SplitBox whole{split.feature, {}, {}};
          std::fill_n(whole.lower, kMostLanes, facts.lower[split.feature]);
          std::fill_n(whole.upper, kMostLanes, facts.upper[split.feature]);
          box = boxes.insert(box, whole);
        }
        double &l = box->lower[lane], &u = box->upper[lane];
        if (split.positive) {
          l = std::max(l, 0.0);
        } else {
          u = std::min(u, 0.0);
        }
        if (l > u) {
          vacuous_[lane] = true;
          l = u = 0;
        }
      }
    }
    std::sort(boxes.begin(), boxes.end(),
              [](const SplitBox& a, const SplitBox& b) { return a.feature < b.feature; });
    return boxes;
  }

  /// Coefficients for a node that may have other readers.
  void hand(Buffers::Buffer from, int node) {
    if (!signal_[node]) {
      signal_[node] = std::move(from);
    } else {
      add(from.get(), node);
    }
  }
  void deliver(const double* from, int node) {
    if (signal_[node]) return add(from, node);
    const size_t count = static_cast<size_t>(network_.size(node)) * lanes_;
    signal_[node] = buffers_.take(count);
    std::copy_n(from, count, signal_[node].get());
  }
  void add(const double* from, int node) {
    alignas(64) double moved[kMostLanes] = {};
    kernels_.accumulate(network_.size(node), lanes_, from, signal_[node].get(),
                        facts_.at(node).magnitude.data(), moved);
    // u |sum| X, and u |v| X should v have been fused into the sum unrounded.
    for (int lane = 0; lane < lanes_; ++lane) lost_[lane] += 2 * kUnit * upSum(moved[lane]);
  }

  bool hasSlopes() const {
    return std::any_of(claims_.begin(), claims_.end(), [](const Claim* c) { return !c->inputSlope.empty(); });
  }
  void subtractSlopes() {
    if (!hasSlopes()) return;
    const size_t size = network_.size(0);
    const Buffers::Buffer slopes = buffers_.take(size * lanes_);
    for (int lane = 0; lane < lanes_; ++lane) {
      const std::vector<float>& slope = claim(lane).inputSlope;
      for (size_t i = 0; i < size; ++i) slopes[i * lanes_ + lane] = slope.empty() ? 0 : -slope[i];
    }
    add(slopes.get(), 0);
  }

  void finish(double* bounds) {
    const double slack = sumSlack(network_);
    double minimum[kMostLanes] = {};
    if (!signal_[0] && hasSlopes()) {
      signal_[0] = buffers_.take(static_cast<size_t>(network_.size(0)) * lanes_);
      std::fill_n(signal_[0].get(), static_cast<size_t>(network_.size(0)) * lanes_, 0.0);
    }
    if (signal_[0]) {
      if (!facts_.at(0).loss.empty()) lose(0);
      subtractSlopes();
      for (int lane = 0; lane < lanes_; ++lane) {
        // What a slope leaves is next to nothing, and a ball's multiplier would cost more.
        lambda_[lane] = claim(lane).inputSlope.empty() ? claim(lane).multipliers->inputLambda : 0;
      }
      inputMinimum(kernels_, facts_.input(), lanes_, signal_[0].get(), lambda_, slack, minimum);
    }
    for (size_t lane = 0; lane < claims_.size(); ++lane) {
      const Claim& c = *claims_[lane];
      const double parts[] = {sum_[lane], minimum[lane], c.constant};
      double bound = 0, size = 0;
      for (const double part : parts) bound += part, size += std::fabs(part);
      const double taken =
          up(upSum(magnitude_[lane]) * slack + upSum(lost_[lane]) + ball_[lane] + facts_.underflow());
      bound = below(bound - up(size * 8 * kUnit)) - taken;
      bound = below(bound);
      bounds[lane] = std::isfinite(bound) ? bound : -kInfinity;
      if (vacuous_[lane]) bounds[lane] = kInfinity;
    }
  }

  const ProofNetwork& network_;
  const ImageFacts& facts_;
  const KernelTable& kernels_;
  const std::span<const Claim* const> claims_;
  Buffers& buffers_;
  const int lanes_;
  const int target_;
  std::vector<Buffers::Buffer> signal_;
  alignas(64) double sum_[kMostLanes], magnitude_[kMostLanes], lost_[kMostLanes], lambda_[kMostLanes],
      inverse_[kMostLanes], stiff_[kMostLanes], stiffInverse_[kMostLanes];
  double ball_[kMostLanes] = {};
  /// Lane by lane, what each ReLU of the network pays for the balls of those already passed.
  std::vector<std::array<double, kMostLanes>> payment_;
  bool vacuous_[kMostLanes];
};

bool usable(const Claim& claim) {
  const Multipliers& m = *claim.multipliers;
  const auto allowed = [](float lambda) { return lambda >= 0 && std::isfinite(lambda); };
  return std::all_of(m.lambda.begin(), m.lambda.end(), allowed) && allowed(m.inputLambda) &&
         std::isfinite(claim.constant);
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
  pool.parallelFor(region.count, [&](long image, int) {
    if (stop_()) return;
    images_[image] =
        std::make_unique<ImageFacts>(network, region, static_cast<int>(image), arithmetic, kernels_);
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
  if (!claim.multipliers) refuse("a claim without multipliers");
  const std::vector<int> below = network_.relusBelow(claim.target);
  if (claim.multipliers->slope.size() != below.size() || claim.multipliers->lambda.size() != below.size())
    refuse("multipliers for " + std::to_string(claim.multipliers->slope.size()) + " ReLUs, expected " +
           std::to_string(below.size()));
  for (size_t k = 0; k < below.size(); ++k) {
    if (static_cast<int>(claim.multipliers->slope[k].size()) != network_.size(network_.relus()[below[k]]))
      refuse("slopes of ReLU " + std::to_string(below[k]) + " have the wrong number");
  }
  for (const Split& split : claim.splits) {
    if (split.relu < 0 || split.relu >= relus || split.feature < 0 ||
        split.feature >= network_.size(network_.relus()[split.relu]))
      refuse("a split of neuron " + std::to_string(split.feature) + " of ReLU " + std::to_string(split.relu));
  }
}

std::vector<double> Prover::lowerBounds(std::span<const Claim> claims) const {
  std::vector<double> bounds(claims.size(), -kInfinity);
  std::vector<int> order;
  for (size_t i = 0; i < claims.size(); ++i) {
    check(claims[i]);
    if (usable(claims[i]) && valid(claims[i].image)) order.push_back(static_cast<int>(i));
  }
  const auto key = [&](int i) { return std::pair(claims[i].image, claims[i].target); };
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return key(a) < key(b); });

  std::vector<std::vector<int>> blocks;
  for (const int i : order) {
    if (blocks.empty() || blocks.back().size() == kMostLanes || key(blocks.back()[0]) != key(i))
      blocks.emplace_back();
    blocks.back().push_back(i);
  }
  std::vector<Buffers> buffers(pool_.size());
  pool_.parallelFor(static_cast<long>(blocks.size()), [&](long index, int worker) {
    if (stop_()) return;
    std::vector<const Claim*> block;
    for (const int i : blocks[index]) block.push_back(&claims[i]);
    double proven[kMostLanes];
    Walk(network_, *images_[block[0]->image], kernels_, block, buffers[worker]).run(proven);
    for (size_t lane = 0; lane < block.size(); ++lane) bounds[blocks[index][lane]] = proven[lane];
  });
  return bounds;
}

double Prover::ballBound(int image, std::span<const double> row, double constant) const {
  if (!valid(image)) return -kInfinity;
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
    std::vector<char> changed(images_.size());
    for (const auto& [neuron, tree] : trees) {
      const auto [image, feature, lower] = neuron;
      const double bound = tree.least;
      if (!images_[image]) continue;
      if (!covers(tree.leaves)) refuse("claims on neuron " + std::to_string(feature) + " leave a part out");
      images_[image]->tighten(node, feature, lower ? bound : -kInfinity, lower ? kInfinity : -bound);
      changed[image] = 1;
    }
    pool_.parallelFor(images(), [&](long image, int) {
      if (changed[image] && !stop_()) images_[image]->propagate(node);
    });
  }
  return bounds;
}

}  // namespace bulwark::proof
