#include "proof/chain.h"

#include <algorithm>
#include <cmath>

#include "proof/rounding.h"

namespace bulwark::proof {
namespace {

/// (a + delta)^2 <= stretch a^2 + rest for 0 <= a <= reach: t = delta / a at the largest a, where nothing is
/// then lost.
struct Stretched {
  double stretch = 1, rest = 0;
};

Stretched stretched(double delta, double reach) {
  if (!(delta > 0)) return {};
  const double t = std::clamp(delta / reach, 0x1p-60, 0x1p60);
  return {up(1 + t), up(delta * delta * (1 + 1 / t))};
}

}  // namespace

BallChain ballChain(const ProofNetwork& network, const ImageFacts& facts, int pre) {
  double norm = 1, drift = 0;
  int node = pre;
  while (network.network().nodes[node].kind == NodeKind::affine) {
    drift = up(drift + norm * facts.at(node).drift);
    norm = up(norm * network.composition(node).norm);
    node = network.composition(node).start;
  }
  if (network.network().nodes[node].kind != NodeKind::relu || !std::isfinite(norm)) return {};
  const Stretched by = stretched(drift, norm * facts.at(node).rho);
  return {node, up(norm * norm * by.stretch), by.rest, by.stretch};
}

InputChain inputChain(const ProofNetwork& network, const ImageFacts& facts, int pre) {
  InputChain chain;
  chain.norm = 1;
  double drift = 0;
  for (int node = pre; node > 0;) {
    if (network.network().nodes[node].kind != NodeKind::affine) return {};
    const Composition& composition = network.composition(node);
    drift = up(drift + chain.norm * facts.at(node).drift);
    chain.norm = up(chain.norm * composition.norm);
    for (int each = node; each > composition.start; each = network.network().nodes[each].inputs[0])
      chain.path.insert(chain.path.begin(), each);
    node = composition.start;
  }
  if (!std::isfinite(chain.norm)) return {};
  const double reach = chain.norm * facts.at(0).rho;
  const Stretched by = stretched(up(drift + chain.norm * facts.at(0).step), reach);
  chain.stretch = by.stretch;
  chain.rest = by.rest;
  return chain;
}

}  // namespace bulwark::proof
