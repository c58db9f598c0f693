#include "search/points.h"

#include <algorithm>

namespace bulwark {

Points::Points(const proof::ProofNetwork& network, const proof::KernelTable& kernels)
    : network_(network), kernels_(kernels) {
  for (int id = 0; id < network.nodeCount(); ++id) {
    values_.emplace_back(static_cast<size_t>(network.size(id)) * kLanes);
    signal_.emplace_back(values_.back().size());
  }
}

const double* Points::run(const double* x) {
  std::copy_n(x, values_[0].size(), values_[0].begin());
  for (int id = 1; id < network_.nodeCount(); ++id) {
    const Node& node = network_.network().nodes[id];
    const std::vector<double>& in = values_[node.inputs[0]];
    std::vector<double>& out = values_[id];
    if (node.kind == NodeKind::affine) {
      const proof::Operator& op = network_.operatorOf(id);
      const double* from = in.data();
      double* to = out.data();
      op.forward(kernels_, 1, &from, &to);
      for (size_t i = 0; i < op.bias().size(); ++i) {
        for (int lane = 0; lane < kLanes; ++lane) out[i * kLanes + lane] += op.bias()[i];
      }
    } else if (node.kind == NodeKind::relu) {
      for (size_t i = 0; i < out.size(); ++i) out[i] = std::max(in[i], 0.0);
    } else {
      const std::vector<double>& other = values_[node.inputs[1]];
      for (size_t i = 0; i < out.size(); ++i) out[i] = in[i] + other[i];
    }
  }
  return values_.back().data();
}

const double* Points::gradient(const double* rows) {
  for (std::vector<double>& signal : signal_) std::fill(signal.begin(), signal.end(), 0.0);
  std::copy_n(rows, signal_.back().size(), signal_.back().begin());
  for (int id = network_.nodeCount() - 1; id > 0; --id) {
    const Node& node = network_.network().nodes[id];
    const std::vector<double>& signal = signal_[id];
    passed_ = signal;
    if (node.kind == NodeKind::affine) {
      passed_.resize(signal_[node.inputs[0]].size());
      const double* from = signal.data();
      double* to = passed_.data();
      network_.operatorOf(id).adjoint(kernels_, 1, &from, &to);
    } else if (node.kind == NodeKind::relu) {
      for (size_t i = 0; i < passed_.size(); ++i) {
        if (!(values_[id][i] > 0)) passed_[i] = 0;
      }
    }
    for (const int input : node.inputs) {
      for (size_t i = 0; i < passed_.size(); ++i) signal_[input][i] += passed_[i];
    }
  }
  return signal_[0].data();
}

}  // namespace bulwark
