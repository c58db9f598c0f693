// The way forward: how the bound changes with slopes and multipliers at the minimisers of the last
// evaluation.
#include "weighted/dual.h"

namespace bulwark::weighted {

void Dual::gradient(std::vector<Variables>& into) {
  forward();
  differentiate();
  for (size_t k = 0; k < layers_.size(); ++k) {
    const Layer& layer = layers_[k];
    Variables& d = into[k];
    d.slope.resize(layer.c.size());
    for (size_t i = 0; i < d.slope.size(); ++i) d.slope[i] = layer.c[i] * (layer.arrived[i] - layer.dz[i]);
    d.logKappa.resize(layer.kappa.size());
    for (size_t i = 0; i < d.logKappa.size(); ++i) d.logKappa[i] = layer.kappa[i] * layer.byLambda[i];
    d.logShare.assign(layer.share.size(), 0);
  }
  for (size_t k = 0; k < layers_.size(); ++k) {
    const int source = plan_.layers()[k].source;
    if (!plan_.layers()[k].weighted || source < 0 || layers_[source].share.empty()) continue;
    const Layer &layer = layers_[k], &payer = layers_[source];
    // byPaid = byLambda - dx^2 / 2; the sum over the neurons of byPaid d is what s costs.
    PerLane all;
    const auto byPaid = [&](size_t i) { return payer.byLambda[i] - 0.5 * payer.dx[i] * payer.dx[i]; };
    for (size_t i = 0; i < payer.share.size(); ++i) all[i % kLanes] += byPaid(i) * payer.share[i];
    for (size_t i = 0; i < payer.share.size(); ++i) {
      into[source].logShare[i] += payer.share[i] * layer.square[i % kLanes] *
                                  (byPaid(i) - all[i % kLanes] * layer.payer[i] * layer.payer[i]);
    }
  }
}

void Dual::forward() {
  const Network& network = plan_.network().network();
  std::vector<Lanes>& moved = signal_;  // what was in it is not needed any more
  for (Lanes& each : moved) each.clear();
  moved[0] = input_.dx;
  size_t k = 0;
  for (int id = 1; id < plan_.network().nodeCount(); ++id) {
    const Node& node = network.nodes[id];
    if (node.kind == NodeKind::affine) {
      moved[id] = product(id, true, moved[node.inputs[0]]);
    } else if (node.kind == NodeKind::add) {
      moved[id] = moved[node.inputs[0]];
      give(moved[node.inputs[1]], moved[id]);
    } else {
      Layer& layer = layers_[k++];
      layer.arrived = moved[node.inputs[0]];
      moved[id] = layer.dx;
      for (size_t i = 0; i < moved[id].size(); ++i)
        moved[id][i] += layer.slope[i] * (layer.arrived[i] - layer.dz[i]);
    }
  }
}

/// Sources come before what they pay for.
void Dual::differentiate() {
  for (size_t k = 0; k < layers_.size(); ++k) {
    const PlannedLayer& planned = plan_.layers()[k];
    Layer& layer = layers_[k];
    layer.byLambda.assign(layer.lambda.size(), 0);
    for (size_t i = 0; i < layer.dz.size(); ++i)
      layer.byLambda[layer.share.empty() ? i % kLanes : i] += 0.5 * layer.dz[i] * layer.dz[i];
    if (planned.source == PlannedLayer::radius) {
      for (size_t lane = 0; lane < kLanes; ++lane)
        layer.byLambda[lane] -= 0.5 * layer.rho[lane] * layer.rho[lane];
      continue;
    }
    // d(bound)/d(s).
    PerLane bySquare = input_.byBound;
    if (planned.source >= 0) {
      const Layer& source = layers_[planned.source];
      const bool shared = source.share.empty();
      bySquare = {};
      for (size_t i = 0; i < source.dx.size(); ++i)
        bySquare[i % kLanes] -=
            0.5 * source.dx[i] * source.dx[i] * (planned.weighted && !shared ? source.share[i] : 1);
      for (size_t i = 0; i < source.byLambda.size(); ++i)
        bySquare[i % kLanes] += source.byLambda[i] * (planned.weighted && !shared ? source.share[i] : 1);
    }
    if (!planned.weighted) {
      for (size_t lane = 0; lane < kLanes; ++lane) {
        layer.byLambda[lane] += bySquare[lane] * planned.factor;
        if (planned.source != PlannedLayer::input) continue;
        layer.byLambda[lane] +=
            (input_.c1[lane] * input_.m1[lane] + 2 * input_.c2[lane] * input_.m2[lane]) / layer.lambda[lane];
      }
      continue;
    }
    for (size_t i = 0; i < layer.byLambda.size(); ++i) {
      const size_t lane = i % kLanes;
      layer.byLambda[i] +=
          bySquare[lane] * layer.square[lane] * layer.top[i] * layer.top[i] / layer.lambda[i];
      if (planned.source != PlannedLayer::input) continue;
      const double p = input_.through[i];
      layer.byLambda[i] += input_.c1[lane] * p * p + 2 * input_.c2[lane] * p * input_.returned[i];
    }
  }
}

}  // namespace bulwark::weighted
