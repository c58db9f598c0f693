#include "kernels/forward.h"

namespace bulwark {

void runForward(const Network& network, const Plans& plans, Backend& backend, std::span<const View> value) {
  for (size_t id = 1; id < network.nodes.size(); ++id) {
    const Node& node = network.nodes[id];
    const View first = value[node.inputs[0]];
    switch (node.kind) {
      case NodeKind::input:
        break;
      case NodeKind::affine:
        backend.apply(plans[node.affine], Pass::forward, first, value[id], Write::assign);
        backend.addBias(plans[node.affine], value[id]);
        break;
      case NodeKind::relu:
        backend.relu(first, value[id]);
        break;
      case NodeKind::add:
        backend.copy(first, value[id], Write::assign);
        backend.copy(value[node.inputs[1]], value[id], Write::accumulate);
        break;
    }
  }
}

}  // namespace bulwark
