#include "bounds/dual.h"

#include <algorithm>
#include <cmath>

namespace bulwark {

DualBatch::DualBatch(const Images& images, Backend& backend, int target, int blocks, const DualPreset& preset,
                     bool remembers, Unplaced)
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
  balls_.layers = static_cast<int>(layers_.size());
  balls_.boundless = preset.boundless;
  if (preset.chained && std::isfinite(images.rho(0, 0))) {
    sources_ = ballSources(images.prepared().network, images.prepared().norms(), relus());
    for (int k = 0; k < balls_.layers; ++k) {
      const bool read = sources_[k].layer == BallSource::input && images.input().kind == InputKind::l2;
      if (preset.coupled && read && balls_.coupled < 0) balls_.coupled = k;
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
    if (remembers) arena_.reserve(layer.bestSlope, features, blocks);
  }
  const int in = nodes[0].shape.size();
  input_ = images.input();
  for (View* view : {&input_.lower, &input_.upper, &dx_}) arena_.reserve(*view, in, blocks);
  arena_.reserve(input_.eps, blocks);
  arena_.reserve(input_.lambda, blocks);
  for (Rows* each : {&step_, &correction_, &scale_, &bestInputLambda_}) arena_.reserve(*each, blocks);
  for (Sums* each : {&value_, &inputValue_, &atZero_}) arena_.reserve(*each, blocks);
  reserveBalls();
  if (balls_.coupled >= 0) {
    const int pre = layers_[balls_.coupled].pre;
    for (int id = pre; id > 0; id = nodes[id].inputs[0]) path_.insert(path_.begin(), id);
    arena_.reserve(pulled_, in, blocks);
    for (Rows* each : {&keep_, &deflect_, &moved_, &arrived_, &returned_}) arena_.reserve(*each, blocks);
  }
  const int goals = nodes[target].shape.size();
  arena_.reserve(staging_, goals, blocks);
  if (targetIsRelu_) arena_.reserve(goal_, goals, blocks);
  arena_.reserve(scratch_, widest, blocks);
}

DualBatch::DualBatch(const Images& images, Backend& backend, int target, int blocks, const DualPreset& preset,
                     bool remembers)
    : DualBatch(images, backend, target, blocks, preset, remembers, Unplaced{}) {
  arena_.commit();
  placeBalls();
  if (!targetIsRelu_) goal_ = signal_[target];  // nothing overwrites it
  fresh_.assign(rows(), 0);
  backend_.fill(goal_, 0);
  for (Layer& layer : layers_) {
    for (View view : {layer.relu.zhat, layer.relu.lower, layer.relu.upper, layer.relu.slope})
      backend_.fill(view, 0);
  }
  for (Rows each : {step_, correction_, input_.eps, input_.lambda}) backend_.fill(each, 0);
  backend_.fill(input_.lower, 0);
  backend_.fill(input_.upper, 0);
}

void DualBatch::evaluate() {
  backward();
  backend_.dualValue(balls_, inputValue_, value_);
  std::fill(fresh_.begin(), fresh_.end(), 0);
  anyFresh_ = false;
}

void DualBatch::backward() {
  const auto& network = images_.prepared().network;
  std::fill(reached_.begin(), reached_.end(), 0);
  backend_.payBalls(balls_);
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
    backend_.payBalls(balls_);
  }
  backend_.reluDual(layer.relu, signal_[layer.node],
                    anyFresh_ && !preset_.zeroSlopes ? fresh_.data() : nullptr, v, layer.dz, layer.value,
                    layer.distance2);
  if (shared) into(layer.pre, v);
  reached_[layer.pre] = 1;
}

void DualBatch::ascend(bool ranks) {
  const auto& network = images_.prepared().network;
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
      case NodeKind::relu: {
        const View arrives = forwardSignal(layer->pre), lost = withFeatures(scratch_, layer->dz.features);
        if (ranks) backend_.losses(layer->relu, arrives, layer->dz, signal_[id], lost);
        backend_.reluAscend(layer->relu, arrives, layer->dz, signal_[id], layer->adam);
        if (ranks) backend_.copy(lost, layer->dz, Write::assign);  // nothing needs dz any more
        ++layer;
        break;
      }
    }
  }
  if (preset_.ball) backend_.stepBalls(balls_, correction_);
}

}  // namespace bulwark
