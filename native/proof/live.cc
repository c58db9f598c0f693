#include "proof/live.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace bulwark::proof {
namespace {

/// Larger matrices are worth more than the walks that would read them from a copy.
constexpr int64_t kLargestCopy = 1 << 18;

bool readsAlone(const Network& network, const std::vector<int>& readers, int node) {
  return readers[node] == 1 && network.nodes[node].kind != NodeKind::input;
}

}  // namespace

int reluNumber(const ProofNetwork& network, int node) {
  const std::vector<int>& relus = network.relus();
  return static_cast<int>(std::lower_bound(relus.begin(), relus.end(), node) - relus.begin());
}

Live::Live(const ProofNetwork& network)
    : network_(network),
      list_(network.nodeCount(), -1),
      relus_(network.relus().size()),
      weights_(network.nodeCount()),
      bias_(network.nodeCount()),
      loss_(network.nodeCount()) {
  const std::vector<Node>& nodes = network.network().nodes;
  std::vector<int> readers(nodes.size());
  for (const Node& node : nodes) {
    for (const int input : node.inputs) ++readers[input];
  }
  for (int id = network.nodeCount() - 1; id > 0; --id) {
    const Node& node = nodes[id];
    if (node.kind == NodeKind::relu) list_[id] = reluNumber(network, id);
    const bool inPlace =
        node.kind == NodeKind::relu || (node.kind == NodeKind::affine && network.operatorOf(id).shifts());
    if (inPlace && list_[id] >= 0 && readsAlone(network.network(), readers, node.inputs[0]))
      list_[node.inputs[0]] = list_[id];
  }
}

void Live::begin(const ImageFacts& facts) {
  facts_ = &facts;
  for (std::vector<Part>* parts : {&weights_, &bias_, &loss_}) {
    for (Part& part : *parts) part.known = false;
  }
}

void Live::set(int relu, std::span<const double> lower, std::span<const double> upper) {
  LiveRelu& live = relus_[relu];
  live.features.clear();
  for (std::vector<double>* values :
       {&live.lower, &live.upper, &live.reach, &live.slopeBelow, &live.slopeAbove}) {
    values->clear();
  }
  for (size_t i = 0; i < lower.size(); ++i) {
    const double l = lower[i], u = upper[i];
    if (u <= 0) continue;
    const bool open = l < 0;
    live.features.push_back(static_cast<int32_t>(i));
    live.lower.push_back(open ? l : 0);
    live.upper.push_back(open ? u : 0);
    live.reach.push_back(open ? std::max(-l, u) : 0);
    live.slopeBelow.push_back(open ? u / (u - l) : 1);
    live.slopeAbove.push_back(open && u <= -l ? 0 : 1);
  }
  const int first = network_.network().nodes[network_.relus()[relu]].inputs[0];
  for (int id = 0; id < network_.nodeCount(); ++id) {
    if (id > first || list_[id] == relu) weights_[id].known = bias_[id].known = loss_[id].known = false;
  }
}

int Live::count(int list, int node) const {
  return list < 0 ? network_.size(node) : static_cast<int>(relus_[list].features.size());
}

void Live::convert(int from, int to, int node, const double* in, double* out) const {
  const int size = count(to, node);
  const auto copy = [&](size_t source, size_t place) {
    std::memcpy(out + place * kLanes, in + source * kLanes, kLanes * sizeof(double));
  };
  if (from == to) {
    std::copy_n(in, static_cast<size_t>(size) * kLanes, out);
  } else if (from < 0) {
    const std::vector<int32_t>& features = relus_[to].features;
    for (size_t i = 0; i < features.size(); ++i) copy(features[i], i);
  } else {
    std::fill_n(out, static_cast<size_t>(size) * kLanes, 0.0);
    const std::vector<int32_t>& known = relus_[from].features;
    if (to < 0) {
      for (size_t i = 0; i < known.size(); ++i) copy(i, known[i]);
      return;
    }
    const std::vector<int32_t>& wanted = relus_[to].features;
    for (size_t i = 0, at = 0; i < wanted.size(); ++i) {
      while (at < known.size() && known[at] < wanted[i]) ++at;
      if (at < known.size() && known[at] == wanted[i]) copy(at, i);
    }
  }
}

const double* Live::weights(int node) {
  const Node& reading = network_.network().nodes[node];
  const auto* linear = std::get_if<Linear>(&network_.network().affines[reading.affine]);
  if (!linear || static_cast<int64_t>(linear->in) * linear->out > kLargestCopy) return nullptr;
  Part& part = weights_[node];
  if (part.known) return part.values.data();
  part.known = true;
  const int outputs = count(list_[reading.inputs[0]], reading.inputs[0]), inputs = count(list_[node], node);
  const auto place = [&](int list, int i) { return list < 0 ? i : relus_[list].features[i]; };
  part.values.clear();
  for (int first = 0; first < outputs; first += kTile) {
    int column[kTile];
    for (int m = 0; m < kTile; ++m)
      column[m] = place(list_[reading.inputs[0]], std::min(first + m, outputs - 1));
    for (int k = 0; k < inputs; ++k) {
      const double* row = linear->weight.data() + static_cast<size_t>(place(list_[node], k)) * linear->in;
      for (const int m : column) part.values.push_back(row[m]);
    }
  }
  return part.values.data();
}

const double* Live::gathered(Part& part, const std::vector<double>& all, int list) {
  if (all.empty()) return nullptr;
  if (list < 0) return all.data();
  if (!part.known) {
    part.known = true;
    part.values.clear();
    for (const int32_t feature : relus_[list].features) part.values.push_back(all[feature]);
  }
  return part.values.data();
}

const double* Live::bias(int node, int list) {
  if (network_.network().nodes[node].kind != NodeKind::affine) return nullptr;
  return gathered(bias_[node], network_.operatorOf(node).bias(), list);
}

const double* Live::loss(int node, int list) { return gathered(loss_[node], facts_->at(node).loss, list); }

}  // namespace bulwark::proof
