#include "proof/walk.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "proof/chain.h"
#include "proof/coupling.h"
#include "proof/input_term.h"
#include "proof/lane_images.h"
#include "proof/rounding.h"
#include "proof/split_boxes.h"
#include "proof/weights.h"

namespace bulwark::proof {
namespace {

/// Lanes left over repeat the last claim.
std::array<const Claim*, kLanes> inLanes(std::span<const Claim* const> claims) {
  std::array<const Claim*, kLanes> lanes;
  for (size_t lane = 0; lane < kLanes; ++lane) lanes[lane] = claims[std::min(lane, claims.size() - 1)];
  return lanes;
}

/// Of one block.
class Walk {
 public:
  Walk(const ProofNetwork& network, std::span<const std::unique_ptr<ImageFacts>> images,
       const KernelTable& kernels, const WalkBlock& block, Buffers& buffers)
      : network_(network),
        block_(block),
        claims_(inLanes(block.claims)),
        images_(claims_, images, buffers),
        kernels_(kernels),
        buffers_(buffers),
        below_(network.relusBelow(claims_[0]->target)),
        target_(network.targetNode(claims_[0]->target)),
        layer_(static_cast<int>(below_.size())),
        signal_(target_ + 1) {
    payment_.assign(network.relus().size(), {});
    shares_.resize(network.relus().size());
    findCoupled();
    start();
  }

  /// Passes node `id`, for which it has coefficients, of anything but an affine node with a product.
  void pass(int id) {
    const Node& node = network_.network().nodes[id];
    switch (node.kind) {
      case NodeKind::affine:
        loseAffine(id);
        hand(std::move(signal_[id]), node.inputs[0]);
        break;
      case NodeKind::add:
        lose(id, nullptr);
        deliver(signal_[id].get(), node.inputs[0]);
        deliver(signal_[id].get(), node.inputs[1]);
        break;
      default:
        --layer_;
        passRelu(id, node.inputs[0], below_[layer_], layer_);
    }
    signal_[id].reset();
  }

  /// The same of an affine node whose product is taken together with that of another block.
  struct Product {
    const double* from;
    Buffers::Buffer to;
  };
  Product beforeProduct(int id) {
    loseAffine(id);
    return {signal_[id].get(), lanesFor(network_.network().nodes[id].inputs[0])};
  }
  void afterProduct(int id, Product product) {
    hand(std::move(product.to), network_.network().nodes[id].inputs[0]);
    signal_[id].reset();
  }

  /// At the input: its minimum, a ball that it may pay counted by its radius.
  void reachInput() {
    const bool sloped = !claims_[0]->inputSlope.empty();
    if (!signal_[0] && sloped) {
      signal_[0] = lanesFor(0);
      std::fill_n(signal_[0].get(), static_cast<size_t>(network_.size(0)) * kLanes, 0.0);
    }
    if (!signal_[0]) return;
    lose(0, nullptr);
    if (sloped) subtractSlopes();
    for (int lane = 0; lane < kLanes; ++lane) {
      // What a slope leaves is next to nothing, and a ball's multiplier would cost more.
      lambda_[lane] = sloped ? 0 : claims_[lane]->multipliers->inputLambda;
    }
    inputMinimum(kernels_, images_, signal_[0].get(), lambda_, slack_, minimum_);
    for (int lane = 0; lane < kLanes; ++lane) {
      if (!(coupling_[lane] > 0)) continue;
      const double rho = images_[lane].at(coupledPre_).rho;
      minimum_[lane] = below(minimum_[lane] - up(0.5 * coupling_[lane] * up(rho * rho)));
    }
  }

  /// What coupledMinimum needs to bound the minimum with that ball by what moves it; no value where there is
  /// nothing to bound. `afterCoupling` takes the outcome.
  std::optional<CoupledRows> beforeCoupling() {
    if (!signal_[0] || std::none_of(coupling_, coupling_ + kLanes, [](double each) { return each > 0; }))
      return {};
    CoupledRows rows{&images_, signal_[0].get(), lambda_, {}, {}, {}, weights_.get(), {}};
    for (int lane = 0; lane < kLanes; ++lane) {
      if (lane == 0 || &images_[lane] != &images_[lane - 1])
        rows.chain = inputChain(network_, images_[lane], coupledPre_);
      const double lambda = weights_ ? 1 : coupling_[lane];
      rows.lambda[lane] = coupling_[lane] > 0 ? up(lambda * rows.chain.stretch) : 0;
      rows.square[lane] = up(rows.chain.norm * rows.chain.norm);
      if (weights_ && coupling_[lane] > 0) {
        rows.square[lane] = up(coupling_[lane] * rows.square[lane]);
        // Only where one matrix is all of C.
        const Composition& last = network_.composition(coupledPre_);
        if (last.start == 0) {
          rows.square[lane] =
              std::min(rows.square[lane], weightedSquare(last, weights_.get() + lane, nullptr));
        }
      }
      coupledRest_[lane] = up(0.5 * coupling_[lane] * rows.chain.rest);
    }
    return rows;
  }
  void afterCoupling(const CoupledRows& rows) {
    for (int lane = 0; lane < kLanes; ++lane) {
      const double less = below(rows.minimum[lane] - coupledRest_[lane]);
      if (coupling_[lane] > 0 && less > minimum_[lane]) minimum_[lane] = less;
    }
  }

  void finish() {
    for (size_t lane = 0; lane < block_.claims.size(); ++lane) block_.bounds[lane] = boundOf(lane);
  }

  int target() const { return target_; }
  /// Whether node `id` has coefficients.
  bool reaches(int id) const { return static_cast<bool>(signal_[id]); }

 private:
  /// Lanes for every feature of a node.
  Buffers::Buffer lanesFor(int node) {
    return buffers_.take(static_cast<size_t>(network_.size(node)) * kLanes);
  }
  LaneValues fact(int node, std::vector<double> NodeFacts::* member) const {
    return images_.values(
        [&](const ImageFacts& image) -> const std::vector<double>& { return image.at(node).*member; });
  }

  void start() {
    const int size = network_.size(target_);
    signal_[target_] = lanesFor(target_);
    std::fill_n(signal_[target_].get(), static_cast<size_t>(size) * kLanes, 0.0);
    for (int lane = 0; lane < kLanes; ++lane) {
      double* to = signal_[target_].get() + lane;
      const Claim& c = *claims_[lane];
      if (c.row.empty()) {
        to[static_cast<size_t>(c.feature) * kLanes] = c.sign;
      } else {
        for (int i = 0; i < size; ++i) to[static_cast<size_t>(i) * kLanes] = c.row[i];
      }
    }
  }

  /// What a node adds to the sum, and what its perturbation r takes.
  void lose(int id, const double* bias) {
    const LaneValues loss = fact(id, &NodeFacts::loss);
    if (!bias && !loss.data) return;
    kernels_.weigh(network_.size(id), images_.own(), signal_[id].get(), bias, loss.data, sum_, lost_);
  }

  void loseAffine(int id) {
    const Operator& op = network_.operatorOf(id);
    lose(id, op.bias().empty() ? nullptr : op.bias().data());
  }

  void passRelu(int id, int pre, int relu, int layer) {
    const float* slope[kLanes];
    for (int lane = 0; lane < kLanes; ++lane) {
      const Multipliers& multipliers = *claims_[lane]->multipliers;
      slope[lane] = multipliers.slope[layer].data();
      lambda_[lane] = multipliers.lambda[layer];
      inverse_[lane] = 1 / lambda_[lane];
    }
    const bool weighted = shareOf(layer, 0) != nullptr;
    const Buffers::Buffer own = weighted ? ownBalls(id, relu, layer) : Buffers::Buffer{};
    const double* payment = payment_[relu].data();
    const bool pays = std::any_of(payment, payment + kLanes, [](double m) { return m != 0; });
    for (int lane = 0; lane < kLanes; ++lane) {
      stiff_[lane] = std::max(lambda_[lane], below(lambda_[lane] + payment[lane]));
      stiffInverse_[lane] = 1 / stiff_[lane];
    }
    const size_t stride = static_cast<size_t>(network_.size(id)) * kLanes;
    LaneValues lower = fact(pre, &NodeFacts::lower), upper = fact(pre, &NodeFacts::upper);
    const LaneValues zhat = fact(pre, &NodeFacts::zhat), reach = fact(pre, &NodeFacts::reach);
    std::vector<SplitBox> splits = splitBoxes(claims_, images_, relu, pre, vacuous_);
    if (images_.own()) {
      for (const SplitBox& box : splits) {
        std::copy_n(box.lower, kLanes, lower.own.get() + static_cast<size_t>(box.feature) * kLanes);
        std::copy_n(box.upper, kLanes, upper.own.get() + static_cast<size_t>(box.feature) * kLanes);
      }
      splits.clear();
    }
    Buffers::Buffer v = lanesFor(id);
    ReluCall call{network_.size(id),
                  images_.own(),
                  signal_[id].get(),
                  v.get(),
                  slope,
                  weighted,
                  lambda_,
                  inverse_,
                  pays ? payment : nullptr,
                  stiff_,
                  stiffInverse_,
                  lower.data,
                  upper.data,
                  zhat.data,
                  reach.data,
                  splits.data(),
                  static_cast<int>(splits.size()),
                  sum_,
                  magnitude_};
    if (weighted) {
      call.lambda = own.get();
      call.inverse = own.get() + stride;
      call.payment = shares_[relu].get();
      call.stiff = own.get() + 2 * stride;
      call.stiffInverse = own.get() + 3 * stride;
    }
    kernels_.relu(call);
    if (weighted) {
      payWeights(id, pre, relu, own.get());
    } else {
      payBalls(pre, relu, payment);
    }
    hand(std::move(v), pre);
  }

  /// The proportions in which the neurons of a ReLU pay; null where it has no weights.
  const float* shareOf(int layer, int lane) const {
    const auto& weights = claims_[lane]->multipliers->weights;
    return weights.empty() || weights[layer].share.empty() ? nullptr : weights[layer].share.data();
  }

  /// What each neuron of a ReLU pays: all of it, where the ReLU has weights.
  double* sharesOf(int relu) {
    if (!shares_[relu]) {
      shares_[relu] = lanesFor(network_.relus()[relu]);
      std::fill_n(shares_[relu].get(), static_cast<size_t>(network_.size(network_.relus()[relu])) * kLanes,
                  0.0);
    }
    return shares_[relu].get();
  }

  /// Multipliers per neuron, their inverses, at most what they are with the payments, and its inverses.
  Buffers::Buffer ownBalls(int id, int relu, int layer) {
    const size_t size = network_.size(id), stride = size * kLanes;
    Buffers::Buffer own = buffers_.take(4 * stride);
    double* shares = sharesOf(relu);
    for (size_t i = 0; i < size; ++i) {
      for (size_t lane = 0; lane < kLanes; ++lane) {
        const size_t at = i * kLanes + lane;
        shares[at] = up(shares[at] + payment_[relu][lane]);
        const double lambda = claims_[lane]->multipliers->weights[layer].own[i];
        const double stiff = std::max(lambda, below(lambda + shares[at]));
        own[at] = lambda;
        own[at + stride] = 1 / lambda;
        own[at + 2 * stride] = stiff;
        own[at + 3 * stride] = 1 / stiff;
      }
    }
    return own;
  }

  /// `payBalls` for multipliers per neuron.
  void payWeights(int id, int pre, int relu, const double* own) {
    const int size = network_.size(id);
    Buffers::Buffer lambda = lanesFor(id);
    double largest[kLanes] = {};
    for (size_t at = 0; at < static_cast<size_t>(size) * kLanes; ++at) {
      lambda[at] = own[at] + shares_[relu][at] > 0 ? up(own[at] + shares_[relu][at]) : 0;
      largest[at % kLanes] = std::max(largest[at % kLanes], lambda[at]);
    }
    if (relu == coupled_) {
      std::copy_n(largest, kLanes, coupling_);
      weights_ = std::move(lambda);
      return;
    }
    const auto& relus = network_.relus();
    BallChain chain;
    for (int lane = 0; lane < kLanes; ++lane) {
      if (lane == 0 || &images_[lane] != &images_[lane - 1]) chain = ballChain(network_, images_[lane], pre);
      if (!(largest[lane] > 0)) continue;
      const double rho = images_[lane].at(pre).rho;
      ball_[lane] += up(0.5 * largest[lane] * (chain.relu < 0 ? up(rho * rho) : chain.rest));
      if (chain.relu < 0) continue;
      const int source =
          static_cast<int>(std::lower_bound(relus.begin(), relus.end(), chain.relu) - relus.begin());
      const float* share = shareOf(layerOf(source), lane);
      const Composition& composition = network_.composition(pre);
      double square = kInfinity;
      if (composition.start == chain.relu)
        square = up(chain.stretch * weightedSquare(composition, lambda.get() + lane, share));
      // By the norm alone, whatever the proportions.
      const double most = up(largest[lane] * chain.square);
      if (!share || !(square < kInfinity)) {
        payment_[source][lane] = up(payment_[source][lane] + std::min(square, most));
        continue;
      }
      double* shares = sharesOf(source);
      for (int j = 0; j < network_.size(chain.relu); ++j) {
        double& paid = shares[static_cast<size_t>(j) * kLanes + lane];
        paid = up(paid + square * share[j]);
      }
    }
  }

  /// The place of a ReLU among those below the target.
  int layerOf(int relu) const {
    return static_cast<int>(std::lower_bound(below_.begin(), below_.end(), relu) - below_.begin());
  }

  /// Where the ball of a pre-activation follows from a ReLU before it, that pays; else the bound does.
  void payBalls(int pre, int relu, const double* payment) {
    if (relu == coupled_) {
      for (int lane = 0; lane < kLanes; ++lane) {
        const double lambda = lambda_[lane] + payment[lane];
        coupling_[lane] = lambda > 0 ? up(lambda) : 0;
      }
      return;
    }
    const auto& relus = network_.relus();
    BallChain chain;
    for (int lane = 0; lane < kLanes; ++lane) {
      if (lane == 0 || &images_[lane] != &images_[lane - 1]) chain = ballChain(network_, images_[lane], pre);
      if (lambda_[lane] == 0 && payment[lane] == 0) continue;
      const double lambda = up(lambda_[lane] + payment[lane]), rho = images_[lane].at(pre).rho;
      ball_[lane] += up(0.5 * lambda * (chain.relu < 0 ? up(rho * rho) : chain.rest));
      if (chain.relu < 0) continue;
      const auto source = std::lower_bound(relus.begin(), relus.end(), chain.relu) - relus.begin();
      payment_[source][lane] = up(payment_[source][lane] + lambda * chain.square);
    }
  }

  /// The first ReLU that reads the input through affine nodes alone: the input's term can pay its ball.
  void findCoupled() {
    if (images_[0].input().kind != InputKind::l2) return;
    for (const int relu : below_) {
      const int pre = network_.network().nodes[network_.relus()[relu]].inputs[0];
      if (inputChain(network_, images_[0], pre).path.empty()) continue;
      coupled_ = relu;
      coupledPre_ = pre;
      return;
    }
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
    signal_[node] = lanesFor(node);
    std::copy_n(from, static_cast<size_t>(network_.size(node)) * kLanes, signal_[node].get());
  }
  void add(const double* from, int node) {
    alignas(64) double moved[kLanes] = {};
    const LaneValues magnitude = fact(node, &NodeFacts::magnitude);
    kernels_.accumulate(network_.size(node), images_.own(), from, signal_[node].get(), magnitude.data, moved);
    // u |sum| X, and u |v| X should v have been fused into the sum unrounded.
    for (int lane = 0; lane < kLanes; ++lane) lost_[lane] += 2 * kUnit * upSum(moved[lane]);
  }

  void subtractSlopes() {
    const Buffers::Buffer slopes = lanesFor(0);
    for (int lane = 0; lane < kLanes; ++lane) {
      const std::vector<float>& slope = claims_[lane]->inputSlope;
      for (size_t i = 0; i < slope.size(); ++i) slopes[i * kLanes + lane] = -slope[i];
    }
    add(slopes.get(), 0);
  }

  double boundOf(size_t lane) const {
    const double parts[] = {sum_[lane], minimum_[lane], claims_[lane]->constant};
    double bound = 0, size = 0;
    for (const double part : parts) bound += part, size += std::fabs(part);
    const double underflow = images_[static_cast<int>(lane)].underflow();
    const double taken = up(upSum(magnitude_[lane]) * slack_ + upSum(lost_[lane]) + ball_[lane] + underflow);
    bound = below(bound - up(size * 8 * kUnit)) - taken;
    bound = below(bound);
    if (vacuous_[lane]) return kInfinity;
    return std::isfinite(bound) ? bound : -kInfinity;
  }

  const ProofNetwork& network_;
  const WalkBlock& block_;
  const std::array<const Claim*, kLanes> claims_;
  const LaneImages images_;
  const KernelTable& kernels_;
  Buffers& buffers_;
  const std::vector<int>& below_;
  const int target_;
  const double slack_ = sumSlack(network_);
  int layer_;  // the ReLU of `below_` passed last
  std::vector<Buffers::Buffer> signal_;
  alignas(64) double sum_[kLanes] = {}, magnitude_[kLanes] = {}, lost_[kLanes] = {};
  alignas(64) double lambda_[kLanes], inverse_[kLanes], stiff_[kLanes], stiffInverse_[kLanes];
  double ball_[kLanes] = {};
  /// Lane by lane, what each ReLU of the network pays for the balls of those already passed.
  std::vector<std::array<double, kLanes>> payment_;
  /// The same per neuron, [feature][lane]; null: nothing beside `payment_`.
  std::vector<Buffers::Buffer> shares_;
  bool vacuous_[kLanes] = {};
  /// Where the input pays the ball of a ReLU: which, its pre-activation, and by which multiplier.
  int coupled_ = -1, coupledPre_ = -1;
  double coupling_[kLanes] = {}, coupledRest_[kLanes] = {};
  Buffers::Buffer weights_;  // of that ball per neuron, [feature][lane]; null: `coupling_` for all
  double minimum_[kLanes] = {};
};

void passProduct(const ProofNetwork& network, int id, const KernelTable& kernels, std::span<Walk> walks) {
  std::vector<Walk::Product> products;
  const double* from[kBlocks];
  double* to[kBlocks];
  for (Walk& walk : walks) {
    const size_t block = products.size();
    products.push_back(walk.beforeProduct(id));
    from[block] = products[block].from;
    to[block] = products[block].to.get();
  }
  network.operatorOf(id).adjoint(kernels, static_cast<int>(walks.size()), from, to);
  for (size_t block = 0; block < walks.size(); ++block)
    walks[block].afterProduct(id, std::move(products[block]));
}

/// Lets the input pay a ball for the rows of several blocks together.
void couple(const ProofNetwork& network, const KernelTable& kernels, std::span<Walk> walks,
            Buffers& buffers) {
  std::vector<CoupledRows> rows;
  std::vector<Walk*> coupled;
  for (Walk& walk : walks) {
    if (auto each = walk.beforeCoupling()) {
      rows.push_back(std::move(*each));
      coupled.push_back(&walk);
    }
  }
  if (rows.empty()) return;
  coupledMinimum(network, kernels, rows, buffers);
  for (size_t i = 0; i < rows.size(); ++i) coupled[i]->afterCoupling(rows[i]);
}

}  // namespace

void walkBack(const ProofNetwork& network, std::span<const std::unique_ptr<ImageFacts>> images,
              const KernelTable& kernels, std::span<const WalkBlock> blocks, Buffers& buffers) {
  std::vector<Walk> walks;
  walks.reserve(blocks.size());
  for (const WalkBlock& block : blocks) walks.emplace_back(network, images, kernels, block, buffers);
  for (int id = walks[0].target(); id > 0; --id) {
    if (!walks[0].reaches(id)) continue;  // nor do the others
    if (network.network().nodes[id].kind == NodeKind::affine && !network.operatorOf(id).shifts()) {
      passProduct(network, id, kernels, walks);
    } else {
      for (Walk& walk : walks) walk.pass(id);
    }
  }
  for (Walk& walk : walks) walk.reachInput();
  couple(network, kernels, walks, buffers);
  for (Walk& walk : walks) walk.finish();
}

}  // namespace bulwark::proof
