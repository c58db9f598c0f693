#include "proof/walk.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include "proof/chain.h"
#include "proof/coupling.h"
#include "proof/input_term.h"
#include "proof/lane_images.h"
#include "proof/rounding.h"

namespace bulwark::proof {
namespace {

/// Lanes left over repeat the last claim.
std::array<const Claim*, kLanes> inLanes(std::span<const Claim* const> claims) {
  std::array<const Claim*, kLanes> lanes;
  for (size_t lane = 0; lane < kLanes; ++lane) lanes[lane] = claims[std::min(lane, claims.size() - 1)];
  return lanes;
}

class Walk {
 public:
  Walk(const ProofNetwork& network, const std::array<const Claim*, kLanes>& claims, const LaneImages& images,
       const KernelTable& kernels, Buffers& buffers)
      : network_(network),
        claims_(claims),
        images_(images),
        kernels_(kernels),
        buffers_(buffers),
        byBox_(!claims[0]->multipliers),
        target_(network.targetNode(claims[0]->target)),
        signal_(target_ + 1) {}

  /// bounds[lane], for the first `count` lanes.
  void run(double* bounds, size_t count, std::span<const AffineRow> affine) {
    start();
    const std::vector<int>& below = network_.relusBelow(claims_[0]->target);
    int layer = static_cast<int>(below.size());
    if (!byBox_) payment_.assign(network_.relus().size(), {});
    if (!byBox_) findCoupled(below);
    for (int id = target_; id > 0; --id) {
      if (!signal_[id]) continue;
      const Node& node = network_.network().nodes[id];
      switch (node.kind) {
        case NodeKind::affine:
          passAffine(id, node.inputs[0]);
          break;
        case NodeKind::add:
          lose(id, nullptr);
          deliver(signal_[id].get(), node.inputs[0]);
          deliver(signal_[id].get(), node.inputs[1]);
          break;
        default:
          --layer;
          if (byBox_) {
            passReluByBox(id, node.inputs[0]);
          } else {
            passRelu(id, node.inputs[0], below[layer], layer);
          }
      }
      signal_[id].reset();
    }
    finish(bounds, count, affine);
  }

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

  void passAffine(int id, int from) {
    const Operator& op = network_.operatorOf(id);
    lose(id, op.bias().empty() ? nullptr : op.bias().data());
    if (op.shifts()) return hand(std::move(signal_[id]), from);
    Buffers::Buffer result = lanesFor(from);
    op.adjoint(kernels_, signal_[id].get(), result.get());
    hand(std::move(result), from);
  }

  void passRelu(int id, int pre, int relu, int layer) {
    const float* slope[kLanes];
    for (int lane = 0; lane < kLanes; ++lane) {
      const Multipliers& multipliers = *claims_[lane]->multipliers;
      slope[lane] = multipliers.slope[layer].data();
      lambda_[lane] = multipliers.lambda[layer];
      inverse_[lane] = 1 / lambda_[lane];
    }
    const double* payment = payment_[relu].data();
    const bool pays = std::any_of(payment, payment + kLanes, [](double m) { return m != 0; });
    for (int lane = 0; lane < kLanes; ++lane) {
      stiff_[lane] = std::max(lambda_[lane], below(lambda_[lane] + payment[lane]));
      stiffInverse_[lane] = 1 / stiff_[lane];
    }
    LaneValues lower = fact(pre, &NodeFacts::lower), upper = fact(pre, &NodeFacts::upper);
    const LaneValues zhat = fact(pre, &NodeFacts::zhat), reach = fact(pre, &NodeFacts::reach);
    std::vector<SplitBox> splits = splitsOf(relu, pre);
    if (images_.own()) {
      for (const SplitBox& box : splits) {
        std::copy_n(box.lower, kLanes, lower.own.get() + static_cast<size_t>(box.feature) * kLanes);
        std::copy_n(box.upper, kLanes, upper.own.get() + static_cast<size_t>(box.feature) * kLanes);
      }
      splits.clear();
    }
    Buffers::Buffer v = lanesFor(id);
    kernels_.relu({network_.size(id), images_.own(), signal_[id].get(), v.get(), slope, lambda_, inverse_,
                   pays ? payment : nullptr, stiff_, stiffInverse_, lower.data, upper.data, zhat.data,
                   reach.data, splits.data(), static_cast<int>(splits.size()), sum_, magnitude_});
    payBalls(pre, relu, payment);
    hand(std::move(v), pre);
  }

  void passReluByBox(int id, int pre) {
    const NodeFacts& facts = images_[0].at(pre);
    Buffers::Buffer v = lanesFor(id);
    kernels_.crown({network_.size(id), signal_[id].get(), v.get(), facts.lower.data(), facts.upper.data(),
                    facts.reach.data(), sum_, magnitude_});
    hand(std::move(v), pre);
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
  void findCoupled(const std::vector<int>& below) {
    if (images_[0].input().kind != InputKind::l2) return;
    for (const int relu : below) {
      const int pre = network_.network().nodes[network_.relus()[relu]].inputs[0];
      if (inputChain(network_, images_[0], pre).path.empty()) continue;
      coupled_ = relu;
      coupledPre_ = pre;
      return;
    }
  }

  /// What is left of the input's minimum once it has paid that ball, by its radius or with what moves it.
  void payFromInput(double slack, double* minimum) {
    inputMinimum(kernels_, images_, signal_[0].get(), lambda_, slack, minimum);
    if (std::none_of(coupling_, coupling_ + kLanes, [](double each) { return each > 0; })) return;
    double stretched[kLanes], rest[kLanes], together[kLanes];
    InputChain chain;
    for (int lane = 0; lane < kLanes; ++lane) {
      if (lane == 0 || &images_[lane] != &images_[lane - 1])
        chain = inputChain(network_, images_[lane], coupledPre_);
      const double lambda = coupling_[lane], rho = images_[lane].at(coupledPre_).rho;
      stretched[lane] = lambda > 0 ? up(lambda * chain.stretch) : 0;
      rest[lane] = up(0.5 * lambda * chain.rest);
      together[lane] = -kInfinity;
      if (lambda > 0) minimum[lane] = below(minimum[lane] - up(0.5 * lambda * up(rho * rho)));
    }
    coupledMinimum(network_, kernels_, images_, chain.path, chain.norm, signal_[0].get(), stretched, lambda_,
                   buffers_, together);
    for (int lane = 0; lane < kLanes; ++lane) {
      const double less = below(together[lane] - rest[lane]);
      if (coupling_[lane] > 0 && less > minimum[lane]) minimum[lane] = less;
    }
  }

  std::vector<SplitBox> splitsOf(int relu, int pre) {
    std::vector<SplitBox> boxes;
    for (int lane = 0; lane < kLanes; ++lane) {
      for (const Split& split : claims_[lane]->splits) {
        if (split.relu != relu) continue;
        auto box = std::find_if(boxes.begin(), boxes.end(),
                                [&](const SplitBox& each) { return each.feature == split.feature; });
        if (box == boxes.end()) {
          SplitBox whole{split.feature, {}, {}};
          for (int each = 0; each < kLanes; ++each) {
            whole.lower[each] = images_[each].at(pre).lower[split.feature];
            whole.upper[each] = images_[each].at(pre).upper[split.feature];
          }
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

  /// Leaves rows less what is rounded of their coefficients, which becomes their slopes.
  void subtractRounded(std::span<const AffineRow> affine) {
    const auto size = static_cast<size_t>(network_.size(0));
    const Buffers::Buffer slopes = lanesFor(0);
    std::fill_n(slopes.get(), size * kLanes, 0.0);
    for (size_t lane = 0; lane < affine.size(); ++lane) {
      for (size_t i = 0; i < size; ++i) {
        const float slope = static_cast<float>(signal_[0][i * kLanes + lane]);
        affine[lane].slope[i] = slope;
        slopes[i * kLanes + lane] = -slope;
      }
    }
    add(slopes.get(), 0);
  }

  void finish(double* bounds, size_t count, std::span<const AffineRow> affine) {
    const double slack = sumSlack(network_);
    double minimum[kLanes] = {};
    const bool sloped = !claims_[0]->inputSlope.empty();
    if (!signal_[0] && (sloped || !affine.empty())) {
      signal_[0] = lanesFor(0);
      std::fill_n(signal_[0].get(), static_cast<size_t>(network_.size(0)) * kLanes, 0.0);
    }
    if (signal_[0]) {
      lose(0, nullptr);
      if (sloped) subtractSlopes();
      for (int lane = 0; lane < kLanes; ++lane) {
        // What a slope leaves is next to nothing, and a ball's multiplier would cost more.
        lambda_[lane] = sloped || byBox_ ? 0 : claims_[lane]->multipliers->inputLambda;
      }
      payFromInput(slack, minimum);
    }
    for (size_t lane = 0; lane < count; ++lane) bounds[lane] = boundOf(lane, minimum[lane], slack);
    if (affine.empty()) return;
    subtractRounded(affine);
    inputMinimum(kernels_, images_, signal_[0].get(), lambda_, slack, minimum);
    for (size_t lane = 0; lane < affine.size(); ++lane)
      *affine[lane].offset = boundOf(lane, minimum[lane], slack);
  }

  double boundOf(size_t lane, double minimum, double slack) const {
    const double parts[] = {sum_[lane], minimum, claims_[lane]->constant};
    double bound = 0, size = 0;
    for (const double part : parts) bound += part, size += std::fabs(part);
    const double underflow = images_[static_cast<int>(lane)].underflow();
    const double taken = up(upSum(magnitude_[lane]) * slack + upSum(lost_[lane]) + ball_[lane] + underflow);
    bound = below(bound - up(size * 8 * kUnit)) - taken;
    bound = below(bound);
    if (vacuous_[lane]) return kInfinity;
    return std::isfinite(bound) ? bound : -kInfinity;
  }

  const ProofNetwork& network_;
  const std::array<const Claim*, kLanes>& claims_;
  const LaneImages& images_;
  const KernelTable& kernels_;
  Buffers& buffers_;
  const bool byBox_;
  const int target_;
  std::vector<Buffers::Buffer> signal_;
  alignas(64) double sum_[kLanes] = {}, magnitude_[kLanes] = {}, lost_[kLanes] = {};
  alignas(64) double lambda_[kLanes], inverse_[kLanes], stiff_[kLanes], stiffInverse_[kLanes];
  double ball_[kLanes] = {};
  /// Lane by lane, what each ReLU of the network pays for the balls of those already passed.
  std::vector<std::array<double, kLanes>> payment_;
  bool vacuous_[kLanes] = {};
  /// Where the input pays the ball of a ReLU: which, its pre-activation, and by which multiplier.
  int coupled_ = -1, coupledPre_ = -1;
  double coupling_[kLanes] = {};
};

}  // namespace

void walkBack(const ProofNetwork& network, std::span<const std::unique_ptr<ImageFacts>> images,
              const KernelTable& kernels, std::span<const Claim* const> claims, Buffers& buffers,
              double* bounds, std::span<const AffineRow> affine) {
  const std::array<const Claim*, kLanes> lanes = inLanes(claims);
  Walk(network, lanes, LaneImages(lanes, images, buffers), kernels, buffers)
      .run(bounds, claims.size(), affine);
}

}  // namespace bulwark::proof
