#include "weighted/plan.h"

#include <algorithm>

#include "proof/chain.h"

namespace bulwark::weighted {
namespace {

proof::Operator gramOf(const Linear& matrix) {
  const auto size = static_cast<size_t>(matrix.out), in = static_cast<size_t>(matrix.in);
  Linear gram{.in = matrix.out, .out = matrix.out, .weight = std::vector<double>(size * size), .bias = {}};
  for (size_t i = 0; i < size; ++i) {
    for (size_t j = 0; j <= i; ++j) {
      double sum = 0;
      for (size_t k = 0; k < in; ++k) sum += matrix.weight[i * in + k] * matrix.weight[j * in + k];
      gram.weight[i * size + j] = gram.weight[j * size + i] = sum;
    }
  }
  return proof::Operator(gram);
}

}  // namespace

Plan::Plan(const proof::ProofNetwork& network, const proof::ImageFacts& facts) : network_(network) {
  const auto& nodes = network.network().nodes;
  for (const int index : network.relusBelow(proof::Claim::output)) {
    PlannedLayer layer;
    layer.relu = network.relus()[index];
    layer.pre = nodes[layer.relu].inputs[0];
    layer.size = network.size(layer.relu);
    const proof::BallChain chain = proof::ballChain(network, facts, layer.pre);
    const auto source = std::find_if(layers_.begin(), layers_.end(),
                                     [&](const PlannedLayer& each) { return each.relu == chain.relu; });
    if (chain.relu >= 0 && source != layers_.end()) {
      layer.source = static_cast<int>(source - layers_.begin());
      layer.factor = chain.square;
    } else if (path_.empty()) {
      proof::InputChain input = proof::inputChain(network, facts, layer.pre);
      if (!input.path.empty()) {
        layer.source = PlannedLayer::input;
        layer.factor = input.norm * input.norm;
        path_ = std::move(input.path);
      }
    }
    const Node& before = nodes[layer.pre];
    if (before.kind == NodeKind::affine && layer.source != PlannedLayer::radius) {
      const proof::Composition& composition = network.composition(layer.pre);
      const int start = layer.source == PlannedLayer::input ? 0 : layers_[layer.source].relu;
      layer.weighted = composition.matrix && composition.start == start;
      if (layer.weighted) layer.matrix = &*composition.matrix;
    }
    if (layer.weighted) {
      if (layer.source >= 0 && layers_[layer.source].weighted) {
        layer.product.emplace(*layer.matrix);
      } else {
        layer.gram.emplace(gramOf(*layer.matrix));
      }
    }
    layers_.push_back(std::move(layer));
  }
}

bool Plan::anyWeighted() const {
  return std::any_of(layers_.begin(), layers_.end(), [](const PlannedLayer& each) { return each.weighted; });
}

}  // namespace bulwark::weighted
