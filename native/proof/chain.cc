#include "proof/chain.h"

#include <algorithm>
#include <cmath>

#include "proof/rounding.h"

namespace bulwark::proof {

BallChain ballChain(const ProofNetwork& network, const ImageFacts& facts, int pre) {
  double norm = 1, drift = 0;
  int node = pre;
  while (network.network().nodes[node].kind == NodeKind::affine) {
    drift = up(drift + norm * facts.at(node).drift);
    norm = up(norm * network.composition(node).norm);
    node = network.composition(node).start;
  }
  if (network.network().nodes[node].kind != NodeKind::relu || !std::isfinite(norm)) return {};
  BallChain chain{node, up(norm * norm), 0};
  const double reach = norm * facts.at(node).rho;
  // t = delta / a at the largest a, where nothing is then lost.
  if (drift > 0) {
    const double t = std::clamp(drift / reach, 0x1p-60, 0x1p60);
    chain = {node, up(chain.square * (1 + t)), up(drift * drift * (1 + 1 / t))};
  }
  return chain;
}

}  // namespace bulwark::proof
