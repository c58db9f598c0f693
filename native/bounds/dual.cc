#include "bounds/dual.h"

#include <algorithm>
#include <cmath>

namespace bulwark {

namespace {

/// Evaluations that place a fresh row's ball multiplier: at the scale guess, then at the fixed-point step
/// from it.
constexpr int kStartSteps = 2;
/// Holds phi at its point where the ball is one and no box does; any value is sound.
constexpr float kPointLambda = 1e18f;

/// A chained ball's room is at least this part of its radius squared, so that steps stay finite.
constexpr double kLeastRoom = 1e-3;

}  // namespace

DualBatch::DualBatch(const Images& images, Backend& backend, int target, int blocks, const DualPreset& preset,
                     bool remembers)
    : images_(images),
      backend_(backend),
      target_(target),
      lanes_(backend.lanes()),
      blocks_(blocks),
      preset_(preset),
      remembers_(remembers),
      arena_(backend) {
  const auto& nodes = images.prepared().network.nodes;
  targetIsRelu_ = nodes[target].kind == NodeKind::relu;

  std::vector<char> ancestor(nodes.size(), 0);
  ancestor[target] = 1;
  for (int id = target; id >= 0; --id) {
    if (!ancestor[id]) continue;
    for (int from : nodes[id].inputs) ancestor[from] = 1;
  }
  for (int id = 0; id <= target; ++id) {
    if (ancestor[id]) order_.push_back(id);
  }

  signal_.resize(nodes.size());
  reached_.resize(nodes.size());
  int widest = 0;
  for (int id : order_) {
    const int features = nodes[id].shape.size();
    widest = std::max(widest, features);
    arena_.reserve(signal_[id], features, blocks);
    if (nodes[id].kind != NodeKind::relu) continue;
    Layer& layer = layers_.emplace_back();
    layer.node = id;
    layer.pre = nodes[id].inputs[0];
  }
  if (preset.chained && std::isfinite(images.rho(0, 0))) {
    const std::vector<BallSource> sources =
        ballSources(images.prepared().network, images.prepared().norms(), relus());
    for (size_t k = 0; k < layers_.size(); ++k) {
      layers_[k].source = sources[k];
      if (sources[k].layer >= 0) layers_[sources[k].layer].pays = true;
      const bool read = sources[k].layer == BallSource::input && images.input().kind == InputKind::l2;
      if (preset.coupled && read && coupled_ < 0) coupled_ = static_cast<int>(k);
    }
  }
  for (Layer& layer : layers_) {
    const int features = nodes[layer.node].shape.size();
    layer.relu.rule = preset.rule;
    layer.relu.boundless = preset.boundless;
    for (View* view : {&layer.relu.zhat, &layer.relu.lower, &layer.relu.upper, &layer.relu.slope,
                       &layer.adam.first, &layer.adam.second, &layer.dz}) {
      arena_.reserve(*view, features, blocks);
    }
    arena_.reserve(layer.rho, blocks);
    if (remembers) arena_.reserve(layer.bestSlope, features, blocks);
    for (auto* values :
         {&layer.lambda, &layer.bestLambda, &layer.radius, &layer.guess, &layer.distance, &layer.passed}) {
      values->assign(rows(), 0);
    }
    layer.payment.assign(rows(), 0);
    layer.allowed.assign(rows(), 0);
  }
  const int in = nodes[0].shape.size();
  input_ = images.input();
  for (View* view : {&input_.lower, &input_.upper, &dx_}) arena_.reserve(*view, in, blocks);
  arena_.reserve(input_.eps, blocks);
  arena_.reserve(input_.lambda, blocks);
  const int layers = static_cast<int>(layers_.size());
  arena_.reserve(given_, (2 + 2 * layers) * blocks);
  arena_.reserve(squares_, 2 * layers * blocks);
  arena_.reserve(sums_, (layers + 1) * blocks);
  if (remembers) arena_.reserve(bestInputLambda_, blocks);
  if (coupled_ >= 0) {
    layers_[coupled_].coupled = true;
    for (int id = layers_[coupled_].pre; id > 0; id = nodes[id].inputs[0]) path_.insert(path_.begin(), id);
    arena_.reserve(pulled_, in, blocks);
    arena_.reserve(keep_, blocks);
    arena_.reserve(deflect_, blocks);
  }
  const int goals = nodes[target].shape.size();
  arena_.reserve(staging_, goals, blocks);
  if (targetIsRelu_) arena_.reserve(goal_, goals, blocks);
  arena_.reserve(scratch_, widest, blocks);
  arena_.commit();
  divideMemory();

  if (!targetIsRelu_) goal_ = signal_[target];  // nothing overwrites it
  fresh_.assign(rows(), 0);
  backend_.fill(goal_, 0);
  for (Layer& layer : layers_) {
    for (View view : {layer.relu.zhat, layer.relu.lower, layer.relu.upper, layer.relu.slope})
      backend_.fill(view, 0);
    backend_.fill(layer.rho, 0);
  }
  backend_.fill(given_, 0);
  backend_.fill(squares_, 0);
  backend_.fill(sums_, 0);
  backend_.fill(input_.lower, 0);
  backend_.fill(input_.upper, 0);
  backend_.fill(input_.eps, 0);
  backend_.fill(input_.lambda, 0);
}

void DualBatch::evaluate(std::vector<double>& value) {
  backward();
  readSums();
  value.assign(rows(), 0);
  const double* part = values_.data();
  for (Layer& layer : layers_) {
    for (int r = 0; r < rows(); ++r) {
      const double rho = layer.radius[r];
      const double lambda = layer.lambda[r] + layer.payment[r];
      const bool own = layer.source.layer < 0 && !layer.coupled;
      const double ball = own && lambda > 0 ? 0.5 * lambda * rho * rho : 0;
      value[r] += part[r] - ball;
    }
    part += rows();
  }
  for (int r = 0; r < rows(); ++r) value[r] += inputTerm_[r];
  std::fill(fresh_.begin(), fresh_.end(), 0);
  anyFresh_ = false;
}

void DualBatch::backward() {
  const auto& network = images_.prepared().network;
  std::fill(reached_.begin(), reached_.end(), 0);
  payBalls();
  sendMultipliers();
  if (targetIsRelu_) backend_.copy(goal_, signal_[target_], Write::assign);
  reached_[target_] = 1;
  for (size_t i = order_.size(), layer = layers_.size(); i-- > 0;) {
    const int id = order_[i];
    const Node& node = network.nodes[id];
    switch (node.kind) {
      case NodeKind::affine: {
        const int from = node.inputs[0];
        backend_.apply(images_.prepared().plans[node.affine], Pass::adjoint, signal_[id], signal_[from],
                       reached_[from] ? Write::accumulate : Write::assign);
        reached_[from] = 1;
        break;
      }
      case NodeKind::add:
        into(node.inputs[0], signal_[id]);
        into(node.inputs[1], signal_[id]);
        break;
      case NodeKind::relu:
        reluBackward(layers_[--layer]);
        break;
      case NodeKind::input:
        inputBackward();
        break;
    }
  }
}

void DualBatch::into(int node, View gradient) {
  backend_.copy(gradient, signal_[node], reached_[node] ? Write::accumulate : Write::assign);
  reached_[node] = 1;
}

void DualBatch::reluBackward(Layer& layer) {
  const bool shared = reached_[layer.pre];  // the pre-activation feeds something else too
  const View v = shared ? withFeatures(scratch_, layer.relu.zhat.features) : signal_[layer.pre];
  if (anyFresh_ && preset_.ball) {
    startLambda(layer, v);
    payBalls();
    sendMultipliers();
  }
  backend_.reluDual(layer.relu, signal_[layer.node],
                    anyFresh_ && !preset_.zeroSlopes ? fresh_.data() : nullptr, v, layer.dz, layer.value,
                    layer.distance2);
  if (shared) into(layer.pre, v);
  reached_[layer.pre] = 1;
}

/// Hands every layer's multiplier to the layer that its ball is a function of.
void DualBatch::payBalls() {
  for (Layer& layer : layers_) layer.payment.assign(rows(), 0);
  for (size_t k = layers_.size(); k-- > 0;) {
    const Layer& layer = layers_[k];
    if (layer.source.layer < 0) continue;
    std::vector<double>& payment = layers_[layer.source.layer].payment;
    for (int r = 0; r < rows(); ++r) payment[r] += layer.source.factor * (layer.lambda[r] + layer.payment[r]);
  }
}

void DualBatch::sendMultipliers() {
  buffer_.clear();
  for (const Layer& layer : layers_) {
    buffer_.insert(buffer_.end(), layer.lambda.begin(), layer.lambda.end());
    for (const double payment : layer.payment) buffer_.push_back(static_cast<float>(payment));
  }
  const int layers = static_cast<int>(layers_.size());
  if (layers > 0)
    backend_.write(buffer_.data(), {given_.data + 2 * static_cast<size_t>(rows()), 2 * layers * blocks_});
}

void DualBatch::readSums() {
  values_.resize((layers_.size() + 1) * rows());
  backend_.read(sums_, values_.data());
  if (!preset_.ball || layers_.empty()) return;
  buffer_.resize(2 * layers_.size() * rows());
  backend_.read(squares_, buffer_.data());
  auto at = buffer_.begin();
  for (Layer& layer : layers_) {
    for (auto* values : {&layer.distance, &layer.passed}) {
      values->assign(at, at + rows());
      at += rows();
    }
  }
}

/// Where the rows of each layer lie among those of all.
void DualBatch::divideMemory() {
  const int layers = static_cast<int>(layers_.size());
  const auto part = [&](Rows all, int index) { return blocksOf(all, index * blocks_, blocks_, lanes_); };
  for (int k = 0; k < layers; ++k) {
    Layer& layer = layers_[k];
    layer.adam.step = part(given_, 0);
    layer.adam.correction = part(given_, 1);
    layer.relu.lambda = part(given_, 2 + 2 * k);
    layer.distance2 = part(squares_, 2 * k);
    if (layer.pays) {
      layer.relu.payment = part(given_, 3 + 2 * k);
      layer.relu.passed2 = part(squares_, 2 * k + 1);
    }
    layer.value = {sums_.data + static_cast<size_t>(k) * rows(), blocks_};
  }
  inputValue_ = {sums_.data + static_cast<size_t>(layers) * rows(), blocks_};
  given_.blocks = (2 + 2 * layers) * blocks_;
  squares_.blocks = 2 * layers * blocks_;
  sums_.blocks = (layers + 1) * blocks_;
}

/// A fresh row's ball multiplier. Given the slopes, a layer's lambda touches only the layer's own concave
/// term, sum phi - 1/2 lambda rho^2, whose derivative is (||dz||^2 - rho^2) / 2. So 0 is best where the
/// minimiser at 0 lies in the ball, and else a fixed-point step from the scale ||c|| / rho is taken if it
/// beats 0. Other rows are not touched: a row's result does not depend on its neighbours in the batch.
void DualBatch::startLambda(Layer& layer, View v) {
  std::vector<float> scale(rows()), distance(rows());
  std::vector<double> atZero(rows()), value(rows());
  backend_.norm2(signal_[layer.node], layer.distance2);
  backend_.read(layer.distance2, scale.data());
  const auto phi = [&](std::vector<double>& sums) {
    backend_.write(layer.lambda.data(), layer.relu.lambda);
    backend_.reluDual(layer.relu, signal_[layer.node], fresh_.data(), v, layer.dz, layer.value,
                      layer.distance2);
    backend_.read(layer.distance2, distance.data());
    backend_.read(layer.value, sums.data());
  };
  const auto eachFresh = [&](auto update) {
    for (int r = 0; r < rows(); ++r) {
      if (fresh_[r]) update(r, layer.lambda[r], layer.radius[r]);
    }
  };
  if (!preset_.boundless) {  // without a box, lambda = 0 leaves phi unbounded
    eachFresh([](int, float& lambda, float) { lambda = 0; });
    phi(atZero);
  }
  std::vector<char> wanted(rows(), 0);
  eachFresh([&](int r, float& lambda, float rho) {
    const bool ball = rho > 0 && std::isfinite(rho);
    layer.guess[r] = ball ? 0.5f * scale[r] / rho : 0.0f;
    wanted[r] = ball && (preset_.boundless || distance[r] > rho * rho);
    lambda = wanted[r] ? layer.guess[r] : preset_.boundless && rho == 0 ? kPointLambda : 0.0f;
  });
  for (int step = 0; step < kStartSteps; ++step) {
    phi(value);
    eachFresh([&](int r, float& lambda, float rho) {
      if (!wanted[r]) return;
      const bool worse = value[r] - 0.5 * lambda * rho * rho < atZero[r];
      const float factor = std::sqrt(distance[r]) / rho;
      if (preset_.boundless) {
        lambda *= std::max(factor, 0.5f);
      } else if (step + 1 < kStartSteps) {
        lambda *= factor;
      } else if (worse) {
        lambda = 0;
      }
    });
  }
}

/// The fixed-point step; a multiplier at 0 cannot leave it by factors, so it starts anew where the minimiser
/// has left the ball.
void DualBatch::stepLambda(Layer& layer) {
  if (preset_.boundless) {
    // No box holds phi where lambda vanishes: shrink it by halves at most.
    for (int r = 0; r < rows(); ++r) {
      if (!(layer.radius[r] > 0)) continue;
      layer.lambda[r] *= std::max(std::sqrt(layer.distance[r]) / layer.radius[r], 0.5f);
    }
    return;
  }
  allow(layer);
  for (int r = 0; r < rows(); ++r) {
    const float distance = layer.distance[r], radius = layer.radius[r];
    const bool ball = radius > 0 && std::isfinite(radius);
    float& lambda = layer.lambda[r];
    // A ball that the input pays may gain from a little earlier on, but not from as much as the guess.
    const double leaves = layer.coupled ? static_cast<double>(radius) * radius : layer.allowed[r];
    if (lambda == 0 && distance > leaves && layer.guess[r] > 0) {
      lambda = layer.guess[r];
    } else if (!ball) {
      lambda = 0;
    } else if (layer.source.layer < 0 && !layer.coupled) {
      lambda *= std::sqrt(distance) / radius;
    } else {
      lambda = static_cast<float>(lambda * std::sqrt(distance / layer.allowed[r]));
    }
  }
}

/// Where the bound's derivative in lambda, all that other layers pay for it included, is zero: at ||dz||^2 =
/// rho^2 for a ball of its own, and for a chained one what passes its source, but that the source's minimiser
/// may lie outside or well inside of what it is allowed itself.
void DualBatch::allow(Layer& layer) {
  const auto least = [&](int r) { return kLeastRoom * layer.radius[r] * layer.radius[r]; };
  if (layer.source.layer < 0) {
    for (int r = 0; r < rows(); ++r) {
      const double whole = static_cast<double>(layer.radius[r]) * layer.radius[r];
      layer.allowed[r] = layer.coupled ? std::max(layer.allowed[r], least(r)) : whole;
    }
    return;
  }
  const Layer& source = layers_[layer.source.layer];
  for (int r = 0; r < rows(); ++r) {
    const double room = layer.source.factor * (source.allowed[r] - source.distance[r] + source.passed[r]);
    layer.allowed[r] = std::max(room, least(r));
  }
}

void DualBatch::ascend(const std::vector<float>& step, const std::vector<float>& correction) {
  const auto& network = images_.prepared().network;
  buffer_ = step;
  buffer_.insert(buffer_.end(), correction.begin(), correction.end());
  if (!layers_.empty()) backend_.write(buffer_.data(), {given_.data, 2 * blocks_});
  auto layer = layers_.begin();
  for (int id : order_) {
    const Node& node = network.nodes[id];
    if (id == target_ && !targetIsRelu_) break;  // the target's own signal moves nothing
    switch (node.kind) {
      case NodeKind::input:
        break;
      case NodeKind::affine:
        backend_.apply(images_.prepared().plans[node.affine], Pass::forward, forwardSignal(node.inputs[0]),
                       signal_[id], Write::assign);
        break;
      case NodeKind::add:
        backend_.copy(forwardSignal(node.inputs[0]), signal_[id], Write::assign);
        backend_.copy(forwardSignal(node.inputs[1]), signal_[id], Write::accumulate);
        break;
      case NodeKind::relu:
        backend_.reluAscend(layer->relu, forwardSignal(layer->pre), layer->dz, signal_[id], layer->adam);
        ++layer;
        break;
    }
  }
  if (!preset_.ball) return;
  for (Layer& each : layers_) stepLambda(each);  // while the device is at work
}

}  // namespace bulwark
