#include "proof/proof_network.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <stdexcept>
#include <string>

#include "network/fold.h"
#include "network/norms.h"

namespace bulwark::proof {
namespace {

constexpr int kMostFeatures = 1 << 20;

bool isFinite(const std::vector<double>& values) {
  return std::all_of(values.begin(), values.end(), [](double value) { return std::isfinite(value); });
}

/// An operator in float64 and how far, in Frobenius norm, it is from the exact one.
struct Approximate {
  Affine affine;
  double frobenius, error;
  int mixing;  // matrices and convolutions in it
};

/// Whether an output sums several inputs.
int mixing(const Affine& affine) {
  return std::holds_alternative<Linear>(affine) || std::holds_alternative<Conv>(affine) ? 1 : 0;
}

std::optional<Approximate> composeUp(const Approximate& first, const Approximate& second) {
  std::optional<Affine> both = bulwark::compose(first.affine, second.affine);
  if (!both) return {};
  const double terms = inputSize(second.affine) + 4.0;
  const double error = up(second.error * (first.frobenius + first.error) + second.frobenius * first.error +
                          gamma(terms) * second.frobenius * first.frobenius) +
                       0x1p-960;  // what underflows: at most 2^70 products
  const std::vector<double> norms = rowNorms(*both);
  if (!isFinite(norms) || !std::isfinite(error)) return {};
  return Approximate{std::move(*both), normUp(norms), error, first.mixing + second.mixing};
}

}  // namespace

ProofNetwork::ProofNetwork(const std::vector<graph::Node>& graph, const NormBound& norm)
    : network_(lower(graph, Folding::none)) {
  for (int id = 0; id < nodeCount(); ++id) {
    if (network_.nodes[id].kind == NodeKind::relu) relus_.push_back(id);
    if (size(id) > kMostFeatures) {
      throw std::invalid_argument("node '" + network_.nodes[id].name + "' has " + std::to_string(size(id)) +
                                  " features, proofs are for at most " + std::to_string(kMostFeatures));
    }
    summationDepth_ += size(id) / kChunk + 8.0;
  }
  summationDepth_ += kChunk;
  for (int target = -1; target < static_cast<int>(relus_.size()); ++target)
    relusBelow_.push_back(network_.relusBelow(targetNode(target)));
  for (const Affine& affine : network_.affines) {
    operators_.emplace_back(affine);
    rowNorm_.push_back(rowNorms(affine));
    frobenius_.push_back(normUp(rowNorm_.back()));
  }
  compose(norm);
}

void ProofNetwork::compose(const NormBound& norm) {
  compositions_.resize(network_.affines.size());
  std::vector<std::optional<Approximate>> composed(nodeCount());
  std::vector<char> asked(nodeCount());
  asked.back() = 1;
  for (int id = 0; id < nodeCount(); ++id) {
    const Node& node = network_.nodes[id];
    if (node.kind != NodeKind::affine) {
      for (const int input : node.inputs) asked[input] = 1;
      continue;
    }
    Composition& result = compositions_[node.affine];
    result.start = node.inputs[0];
    const Affine& own = network_.affines[node.affine];
    Approximate chain{own, frobenius_[node.affine], 0, mixing(own)};
    while (composed[result.start]) {
      std::optional<Approximate> longer = composeUp(*composed[result.start], chain);
      if (!longer) break;
      chain = std::move(*longer);
      result.start = compositions_[network_.nodes[result.start].affine].start;
    }
    asked[result.start] = 1;
    for (const double value : rowNorms(chain.affine)) result.rowNorm.push_back(up(value + chain.error));
    for (const double value : rowMaxima(chain.affine)) result.rowMax.push_back(up(value + chain.error));
    if (chain.mixing > 1) result.joined.emplace(chain.affine);
    const auto* matrix = std::get_if<Linear>(&chain.affine);
    if (matrix && matrix->out <= kMostWeighted && matrix->in <= kMostWeightedEntries / matrix->out)
      result.matrix = *matrix;
    result.error = chain.error;
    composed[id] = std::move(chain);
  }
  for (int id = 0; id < nodeCount(); ++id) {
    if (!composed[id] || !asked[id]) continue;
    const double bound = std::min(norm(composed[id]->affine), composed[id]->frobenius);
    compositions_[network_.nodes[id].affine].norm = up(bound + composed[id]->error);
  }
}

int ProofNetwork::targetNode(int target) const {
  return target < 0 ? nodeCount() - 1 : network_.nodes[relus_[target]].inputs[0];
}

}  // namespace bulwark::proof
