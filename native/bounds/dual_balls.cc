// The multipliers of the layers' balls: their memory, and how those of fresh rows start.
#include <algorithm>

#include "bounds/dual.h"

namespace bulwark {

void DualBatch::reserveBalls() {
  const int blocks = balls_.layers * blocks_;
  for (Rows* each : {&balls_.lambda, &balls_.payment, &balls_.guess, &balls_.radius, &balls_.distance2,
                     &balls_.passed2, &bestLambda_}) {
    arena_.reserve(*each, blocks);
  }
  for (Sums* each : {&balls_.paid, &balls_.allowed, &balls_.value}) arena_.reserve(*each, blocks);
  arena_.reserve(balls_.links, (2 * balls_.layers + lanes_ - 1) / lanes_);
}

/// Gives each layer its part. A batch that shrinks keeps to the beginning of each.
void DualBatch::placeBalls() {
  std::vector<double> links(static_cast<size_t>(balls_.links.blocks) * lanes_, BallSource::none);
  balls_.stride = rows();
  const auto part = [&](Rows all, size_t k) {
    return blocksOf(all, static_cast<int>(k) * blocks_, blocks_, lanes_);
  };
  for (size_t k = 0; k < layers_.size(); ++k) {
    Layer& layer = layers_[k];
    layer.rho = part(balls_.radius, k);
    layer.distance2 = part(balls_.distance2, k);
    layer.guess = part(balls_.guess, k);
    layer.bestLambda = part(bestLambda_, k);
    layer.value = {balls_.value.data + balls_.at(static_cast<int>(k), 0), blocks_};
    layer.relu.lambda = part(balls_.lambda, k);
    layer.adam.step = step_;
    layer.adam.correction = correction_;
    if (sources_.empty()) continue;
    links[2 * k] = sources_[k].layer;
    links[2 * k + 1] = sources_[k].factor;
    if (sources_[k].layer < 0) continue;
    const size_t source = sources_[k].layer;
    layers_[source].relu.payment = part(balls_.payment, source);
    layers_[source].relu.passed2 = part(balls_.passed2, source);
  }
  for (Rows each : {balls_.lambda, balls_.payment, balls_.guess, balls_.radius, balls_.distance2,
                    balls_.passed2, bestLambda_}) {
    backend_.fill(each, 0);
  }
  for (Sums each : {balls_.paid, balls_.allowed, balls_.value}) backend_.fill(each, 0);
  backend_.write(links.data(), balls_.links);
  balls_.lambda.blocks = blocks_;  // the rows that operations go through
}

/// Rows that are not fresh are not touched: a row's result does not depend on its neighbours in the batch.
void DualBatch::startLambda(Layer& layer, View v) {
  const int k = static_cast<int>(&layer - layers_.data());
  const auto at = [&](BallStart stage) {
    backend_.startBall(balls_, k, stage, fresh_.data(), scale_, atZero_);
  };
  const auto evaluate = [&] {
    backend_.reluDual(layer.relu, signal_[layer.node], fresh_.data(), v, layer.dz, layer.value,
                      layer.distance2);
  };
  backend_.norm2(signal_[layer.node], scale_);
  if (!preset_.boundless) {
    at(BallStart::zero);
    evaluate();
  }
  at(BallStart::guess);
  for (const BallStart stage : {BallStart::follow, BallStart::decide}) {
    evaluate();
    at(stage);
  }
}

}  // namespace bulwark
