#include "bounds/chain.h"

#include <algorithm>

namespace bulwark {

std::vector<BallSource> ballSources(const Network& network, const Norms& norms,
                                    const std::vector<int>& relus) {
  std::vector<BallSource> sources;
  for (const int relu : relus) {
    double norm = 1;
    int node = network.nodes[relu].inputs[0];
    while (network.nodes[node].kind == NodeKind::affine) {
      norm *= norms.spectral[network.nodes[node].affine];
      node = network.nodes[node].inputs[0];
    }
    const auto found = std::find(relus.begin(), relus.end(), node);
    BallSource source;
    if (found != relus.end()) source = {static_cast<int>(found - relus.begin()), norm * norm};
    if (node == 0) source = {BallSource::input, norm * norm};
    sources.push_back(source);
  }
  return sources;
}

}  // namespace bulwark
