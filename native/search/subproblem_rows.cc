#include "search/subproblem_rows.h"

#include <algorithm>
#include <cmath>

namespace bulwark {

namespace {

/// A neuron with c > 0 meets a convex function: only its slope's compromise between rows of the batch of
/// splits is lost there, not the chord's gap.
constexpr float kConvexWeight = 0.3f;

}  // namespace

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

void SubproblemRows::settled(DualBatch& batch, int r, long row) {
  if (wanted_ == 0) return;
  ReluRow relu;
  std::vector<Candidate>& best = candidates_[row];
  const auto better = [](const Candidate& a, const Candidate& b) { return a.score > b.score; };
  const int relus = static_cast<int>(batch.relus().size());
  for (int k = 0; k < relus; ++k) {
    batch.readRelu(r, k, relu);
    for (size_t i = 0; i < relu.c.size(); ++i) {
      const float l = relu.zhat[i] + relu.lower[i], u = relu.zhat[i] + relu.upper[i];
      if (l >= 0 || u <= 0) continue;
      const float gap = u * -l / (u - l);  // the triangle's height at the kink
      const float score = relu.c[i] < 0 ? -relu.c[i] * gap : kConvexWeight * relu.c[i] * gap;
      if (static_cast<int>(best.size()) == wanted_ && score <= best.back().score) continue;
      if (static_cast<int>(best.size()) == wanted_) best.pop_back();
      const Candidate candidate{k, static_cast<int>(i), score};
      best.insert(std::upper_bound(best.begin(), best.end(), candidate, better), candidate);
    }
  }
}

}  // namespace bulwark
