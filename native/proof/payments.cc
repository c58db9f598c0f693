#include "proof/payments.h"

#include <algorithm>
#include <cmath>

#include "proof/chain.h"
#include "proof/rounding.h"
#include "proof/weights.h"

namespace bulwark::proof {

Payments::Payments(const ProofNetwork& network, const std::array<const Claim*, kLanes>& claims,
                   const LaneImages& images, Buffers& buffers)
    : network_(network),
      claims_(claims),
      images_(images),
      buffers_(buffers),
      below_(network.relusBelow(claims[0]->target)),
      payment_(network.relus().size(), std::array<double, kLanes>{}),
      shares_(network.relus().size()) {
  findCoupled();
}

ReluBalls Payments::pass(int relu) {
  const int layer = layerOf(relu);
  if (shareOf(layer, 0)) {
    const ReluBalls balls = weightedBalls(relu, layer);
    payWeighted(relu);
    return balls;
  }
  const ReluBalls balls = scalarBalls(relu, layer);
  payScalar(relu);
  return balls;
}

/// The first ReLU that reads the input through affine nodes alone: the input's term can pay its ball.
void Payments::findCoupled() {
  if (images_[0].input().kind != InputKind::l2) return;
  for (const int relu : below_) {
    if (inputChain(network_, images_[0], preOf(relu)).path.empty()) continue;
    coupled_ = relu;
    coupledPre_ = preOf(relu);
    return;
  }
}

int Payments::preOf(int relu) const { return network_.network().nodes[network_.relus()[relu]].inputs[0]; }

int Payments::layerOf(int relu) const {
  return static_cast<int>(std::lower_bound(below_.begin(), below_.end(), relu) - below_.begin());
}

const float* Payments::shareOf(int layer, int lane) const {
  const auto& weights = claims_[lane]->multipliers->weights;
  return weights.empty() || weights[layer].share.empty() ? nullptr : weights[layer].share.data();
}

/// What each neuron of a ReLU pays: all of it, where the ReLU has weights.
double* Payments::sharesOf(int relu) {
  if (!shares_[relu]) {
    const size_t size = static_cast<size_t>(network_.size(network_.relus()[relu])) * kLanes;
    shares_[relu] = buffers_.take(size);
    std::fill_n(shares_[relu].get(), size, 0.0);
  }
  return shares_[relu].get();
}

ReluBalls Payments::scalarBalls(int relu, int layer) {
  const double* payment = payment_[relu].data();
  for (int lane = 0; lane < kLanes; ++lane) {
    lambda_[lane] = claims_[lane]->multipliers->lambda[layer];
    inverse_[lane] = 1 / lambda_[lane];
    stiff_[lane] = std::max(lambda_[lane], below(lambda_[lane] + payment[lane]));
    stiffInverse_[lane] = 1 / stiff_[lane];
  }
  const bool pays = std::any_of(payment, payment + kLanes, [](double m) { return m != 0; });
  return {false, lambda_, inverse_, pays ? payment : nullptr, stiff_, stiffInverse_};
}

ReluBalls Payments::weightedBalls(int relu, int layer) {
  const size_t size = network_.size(network_.relus()[relu]), stride = size * kLanes;
  own_ = buffers_.take(4 * stride);
  double* shares = sharesOf(relu);
  for (size_t i = 0; i < size; ++i) {
    for (size_t lane = 0; lane < kLanes; ++lane) {
      const size_t at = i * kLanes + lane;
      shares[at] = up(shares[at] + payment_[relu][lane]);
      const double lambda = claims_[lane]->multipliers->weights[layer].own[i];
      const double stiff = std::max(lambda, below(lambda + shares[at]));
      own_[at] = lambda;
      own_[at + stride] = 1 / lambda;
      own_[at + 2 * stride] = stiff;
      own_[at + 3 * stride] = 1 / stiff;
    }
  }
  const double* own = own_.get();
  return {true, own, own + stride, shares, own + 2 * stride, own + 3 * stride};
}

void Payments::payScalar(int relu) {
  const double* payment = payment_[relu].data();
  if (relu == coupled_) {
    for (int lane = 0; lane < kLanes; ++lane) {
      const double lambda = lambda_[lane] + payment[lane];
      coupling_[lane] = lambda > 0 ? up(lambda) : 0;
    }
    return;
  }
  double lambda[kLanes];
  for (int lane = 0; lane < kLanes; ++lane) {
    lambda[lane] = lambda_[lane] == 0 && payment[lane] == 0 ? 0 : up(lambda_[lane] + payment[lane]);
  }
  payBefore(relu, lambda, [&](int source, int lane, const BallChain& chain) {
    payment_[source][lane] = up(payment_[source][lane] + lambda[lane] * chain.square);
  });
}

void Payments::payWeighted(int relu) {
  const size_t size = static_cast<size_t>(network_.size(network_.relus()[relu])) * kLanes;
  Buffers::Buffer lambda = buffers_.take(size);
  double largest[kLanes] = {};
  for (size_t at = 0; at < size; ++at) {
    lambda[at] = own_[at] + shares_[relu][at] > 0 ? up(own_[at] + shares_[relu][at]) : 0;
    largest[at % kLanes] = std::max(largest[at % kLanes], lambda[at]);
  }
  if (relu == coupled_) {
    std::copy_n(largest, kLanes, coupling_);
    weights_ = std::move(lambda);
    return;
  }
  const Composition& composition = network_.composition(preOf(relu));
  payBefore(relu, largest, [&](int source, int lane, const BallChain& chain) {
    const float* share = shareOf(layerOf(source), lane);
    double square = kInfinity;
    if (composition.start == chain.relu)
      square = up(chain.stretch * weightedSquare(composition, lambda.get() + lane, share));
    // By the norm alone, whatever the proportions.
    const double most = up(largest[lane] * chain.square);
    if (!share || !(square < kInfinity)) {
      payment_[source][lane] = up(payment_[source][lane] + std::min(square, most));
      return;
    }
    double* shares = sharesOf(source);
    for (int j = 0; j < network_.size(chain.relu); ++j) {
      double& paid = shares[static_cast<size_t>(j) * kLanes + lane];
      paid = up(paid + square * share[j]);
    }
  });
}

template <typename Pay>
void Payments::payBefore(int relu, const double* lambda, Pay pay) {
  const auto& relus = network_.relus();
  const int pre = preOf(relu);
  BallChain chain;
  for (int lane = 0; lane < kLanes; ++lane) {
    if (lane == 0 || &images_[lane] != &images_[lane - 1]) chain = ballChain(network_, images_[lane], pre);
    if (lambda[lane] == 0) continue;
    const double rho = images_[lane].at(pre).rho;
    byRadius_[lane] += up(0.5 * lambda[lane] * (chain.relu < 0 ? up(rho * rho) : chain.rest));
    if (chain.relu < 0) continue;
    pay(static_cast<int>(std::lower_bound(relus.begin(), relus.end(), chain.relu) - relus.begin()), lane,
        chain);
  }
}

void Payments::takeRadius(double* minimum) const {
  for (int lane = 0; lane < kLanes; ++lane) {
    if (!(coupling_[lane] > 0)) continue;
    const double rho = images_[lane].at(coupledPre_).rho;
    minimum[lane] = below(minimum[lane] - up(0.5 * coupling_[lane] * up(rho * rho)));
  }
}

std::optional<CoupledRows> Payments::atInput(const double* g, const double* inputLambda) const {
  if (std::none_of(coupling_, coupling_ + kLanes, [](double each) { return each > 0; })) return {};
  CoupledRows rows{&images_, g, inputLambda, {}, {}, {}, weights_.get(), {}, {}};
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
        rows.square[lane] = std::min(rows.square[lane], weightedSquare(last, weights_.get() + lane, nullptr));
      }
    }
    rows.rest[lane] = up(0.5 * coupling_[lane] * rows.chain.rest);
  }
  return rows;
}

}  // namespace bulwark::proof
