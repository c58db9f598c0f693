#include "search/subproblem_rows.h"

#include <algorithm>
#include <cmath>

namespace bulwark {

namespace {

/// What the row loses at a neuron. The dual lets it take dz, the minimiser of phi, while dy arrives from
/// below; made to take what arrives, its term would be higher by this much (the row's whole gap is the sum
/// over neurons), but for what the balls take of it, which no split gives back. Small but never 0 where the
/// two agree, so that ties still rank by the triangle's height; a good part of that height where what arrives
/// lies outside the box, since then the loss at its end, often 0, says little of what a split would move.
float lossAt(const ReluRow& relu, size_t i) {
  constexpr float kTriangle = 1e-3f, kOutside = 0.3f;
  const float l = relu.zhat[i] + relu.lower[i], u = relu.zhat[i] + relu.upper[i];
  const float c = relu.c[i], v = relu.slope[i] * c, dz = relu.dz[i];
  const float dy = std::clamp(relu.dy[i], relu.lower[i], relu.upper[i]);
  const float activation = std::max(relu.zhat[i] + dy, 0.0f) - std::max(relu.zhat[i] + dz, 0.0f);
  const float loss = c * activation - v * (dy - dz);
  const float share = dy == relu.dy[i] ? kTriangle : kOutside;
  return loss + share * std::abs(c) * (u * -l / (u - l));
}

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
  const int relus = static_cast<int>(batch.relus().size());
  reading_[row].resize(relus);
  for (int k = 0; k < relus; ++k) batch.readRelu(r, k, reading_[row][k]);
}

void SubproblemRows::followed(DualBatch& batch, int r, long row) {
  if (minimises_) batch.readInput(r, minimisers_[row]);
  if (wanted_ == 0) return;
  std::vector<Candidate>& best = candidates_[row];
  const auto better = [](const Candidate& a, const Candidate& b) { return a.score > b.score; };
  for (size_t k = 0; k < reading_[row].size(); ++k) {
    ReluRow& relu = reading_[row][k];
    const int position = static_cast<int>(k);
    batch.readArrival(r, position, relu);
    for (size_t i = 0; i < relu.c.size(); ++i) {
      if (relu.zhat[i] + relu.lower[i] >= 0 || relu.zhat[i] + relu.upper[i] <= 0) continue;
      const Candidate candidate{position, static_cast<int>(i), lossAt(relu, i)};
      if (static_cast<int>(best.size()) == wanted_) {
        if (candidate.score <= best.back().score) continue;
        best.pop_back();
      }
      best.insert(std::upper_bound(best.begin(), best.end(), candidate, better), candidate);
    }
  }
  reading_[row] = {};
}

}  // namespace bulwark
