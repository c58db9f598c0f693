#include "proof/walk.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "proof/coupling.h"
#include "proof/input_term.h"
#include "proof/lane_images.h"
#include "proof/payments.h"
#include "proof/rounding.h"
#include "proof/split_boxes.h"

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
        payments_(network, claims_, images_, buffers),
        below_(network.relusBelow(claims_[0]->target)),
        target_(network.targetNode(claims_[0]->target)),
        layer_(static_cast<int>(below_.size())),
        signal_(target_ + 1) {
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
      inputLambda_[lane] = sloped ? 0 : claims_[lane]->multipliers->inputLambda;
    }
    inputMinimum(kernels_, images_, signal_[0].get(), inputLambda_, slack_, minimum_);
    payments_.takeRadius(minimum_);
  }

  /// What coupledMinimum is to bound; no value where the input pays no ball. `afterCoupling` takes the
  /// outcome.
  std::optional<CoupledRows> beforeCoupling() const {
    if (!signal_[0]) return {};
    return payments_.atInput(signal_[0].get(), inputLambda_);
  }
  void afterCoupling(const CoupledRows& rows) {
    for (int lane = 0; lane < kLanes; ++lane) {
      if (rows.minimum[lane] > minimum_[lane]) minimum_[lane] = rows.minimum[lane];
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
    for (int lane = 0; lane < kLanes; ++lane) slope[lane] = claims_[lane]->multipliers->slope[layer].data();
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
    kernels_.relu({network_.size(id), images_.own(), signal_[id].get(), v.get(), slope, payments_.pass(relu),
                   lower.data, upper.data, zhat.data, reach.data, splits.data(),
                   static_cast<int>(splits.size()), sum_, magnitude_});
    hand(std::move(v), pre);
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
    const double taken = up(upSum(magnitude_[lane]) * slack_ + upSum(lost_[lane]) +
                            payments_.byRadius(static_cast<int>(lane)) + underflow);
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
  Payments payments_;
  const std::vector<int>& below_;
  const int target_;
  const double slack_ = sumSlack(network_);
  int layer_;  // the ReLU of `below_` passed last
  std::vector<Buffers::Buffer> signal_;
  alignas(64) double sum_[kLanes] = {}, magnitude_[kLanes] = {}, lost_[kLanes] = {};
  double inputLambda_[kLanes];
  bool vacuous_[kLanes] = {};
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
