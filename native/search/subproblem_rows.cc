#include "search/subproblem_rows.h"

#include <algorithm>

#include "kernels/split_loss.h"

namespace bulwark {

void SubproblemRows::stage(Backend& backend, const std::vector<long>& rows, View staging) const {
  std::vector<long> of(rows.size(), -1);
  for (size_t r = 0; r < rows.size(); ++r) {
    if (rows[r] >= 0) of[r] = branches_[rows[r]].row;
  }
  specification_.stage(backend, of, staging);
}

void SubproblemRows::entered(DualBatch& batch, int r, long row) {
  const Branch& branch = branches_[row];
  for (const Split& split : branch.splits) batch.split(r, split);
  if (branch.start) batch.start(r, *branch.start);
}

void SubproblemRows::settled(DualBatch& batch, const Leaving& leaving) {
  if (!minimises_) return;
  std::vector<float> deviation;
  batch.readInput(leaving.lanes, deviation);
  const size_t inputs = deviation.size() / batch.rows();
  for (size_t i = 0; i < leaving.rows.size(); ++i) {
    const float* const from = deviation.data() + leaving.lanes[i] * inputs;
    minimisers_[leaving.rows[i]].assign(from, from + inputs);
  }
}

void SubproblemRows::ranked(DualBatch& batch, const Leaving& leaving) {
  const auto better = [](const Candidate& a, const Candidate& b) { return a.score > b.score; };
  std::vector<float> losses;
  for (int relu = 0; relu < static_cast<int>(batch.relus().size()); ++relu) {
    batch.readLosses(relu, leaving.lanes, losses);
    const int neurons = static_cast<int>(losses.size()) / batch.rows();
    for (size_t i = 0; i < leaving.rows.size(); ++i) {
      std::vector<Candidate>& best = candidates_[leaving.rows[i]];
      const float* const lost = losses.data() + static_cast<size_t>(leaving.lanes[i]) * neurons;
      float least = best.size() == static_cast<size_t>(wanted_) ? best.back().score : kNothingLost;
      for (int neuron = 0; neuron < neurons; ++neuron) {
        if (!(lost[neuron] > least)) continue;
        const Candidate candidate{relu, neuron, lost[neuron]};
        best.insert(std::upper_bound(best.begin(), best.end(), candidate, better), candidate);
        if (best.size() > static_cast<size_t>(wanted_)) best.pop_back();
        if (best.size() == static_cast<size_t>(wanted_)) least = best.back().score;
      }
    }
  }
}

}  // namespace bulwark
