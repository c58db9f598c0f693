#include "bounds/ledger.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace bulwark {

namespace {

/// Steps that have rates of their own; who asks for more means until the time ends.
constexpr int kRated = 1 << 15;
constexpr int kMostSteps = 1 << 24;
constexpr double kBeta1 = 0.9, kBeta2 = 0.999;

/// Adam's two factors by step, as in AscentRows.
std::vector<float> ratesOf(const AscentOptions& options, int lanes) {
  const int rated = std::min(options.iterations, kRated);
  std::vector<float> rates(2 * static_cast<size_t>(rated + 1), 0.0f);
  for (int t = 1; t <= rated; ++t) {
    rates[2 * t] =
        static_cast<float>(options.learningRate * std::pow(options.decay, t - 1) / (1 - std::pow(kBeta1, t)));
    rates[2 * t + 1] = static_cast<float>(1 / (1 - std::pow(kBeta2, t)));
  }
  rates.resize((rates.size() + lanes - 1) / lanes * lanes);
  return rates;
}

}  // namespace

Ledger::Ledger(DualBatch& batch, Backend& backend, const AscentOptions& options)
    : batch_(batch),
      backend_(backend),
      size_(batch.rows()),
      doubles_(kDoubles * size_, 0.0),
      floats_(kFloats * size_, 0.0f),
      arena_(backend) {
  const int blocks = batch.blocks(), lanes = backend.lanes();
  const std::vector<float> rates = ratesOf(options, lanes);
  arena_.reserve(doublesThere_, kDoubles * blocks);
  arena_.reserve(floatsThere_, kFloats * blocks);
  arena_.reserve(rows_.improved, blocks);
  arena_.reserve(rows_.rates, static_cast<int>(rates.size()) / lanes);
  arena_.commit();
  const auto sums = [&](Double which) { return Sums{doublesThere_.data + which * size_, blocks}; };
  const auto part = [&](Float which) { return blocksOf(floatsThere_, which * blocks, blocks, lanes); };
  rows_.constant = sums(constant_);
  rows_.goal = sums(goal_);
  rows_.best = sums(best_);
  rows_.bound = sums(bound_);
  rows_.taken = part(taken_);
  rows_.recalled = part(recalled_);
  rows_.settled = part(settled_);
  rows_.rated = std::min(options.iterations, kRated);
  rows_.iterations = std::min(options.iterations, kMostSteps);
  rows_.keepsBest = options.keepsBest;
  backend_.write(rates.data(), rows_.rates);
  for (size_t r = 0; r < size_; ++r) retire(static_cast<int>(r));
  batch_.holdStill(rows_.settled);
}

void Ledger::enter(int r, double constant, double goal) {
  at(constant_, r) = constant;
  at(goal_, r) = goal;
  at(best_, r) = at(bound_, r) = -std::numeric_limits<double>::infinity();
  at(taken_, r) = at(recalled_, r) = at(settled_, r) = 0;
  changed_ = true;
}

void Ledger::retire(int r) {
  at(taken_, r) = -1;
  at(recalled_, r) = at(settled_, r) = 0;
  changed_ = true;
}

void Ledger::compact(const std::vector<int32_t>& source) {
  const auto move = [&](auto* values) {
    // Rows only move forward.
    for (int r = 0; r < batch_.rows(); ++r) {
      if (source[r] >= 0) values[r] = values[source[r]];
    }
  };
  for (int which = 0; which < kDoubles; ++which) move(doubles_.data() + which * size_);
  for (int which = 0; which < kFloats; ++which) move(floats_.data() + which * size_);
  for (int r = 0; r < batch_.rows(); ++r) {
    if (source[r] < 0) retire(r);
  }
  changed_ = true;
}

void Ledger::send() {
  if (!changed_) return;
  backend_.write(doubles_.data(), doublesThere_);
  backend_.write(floats_.data(), floatsThere_);
  changed_ = false;
}

void Ledger::judge() {
  rows_.value = batch_.value();
  rows_.step = batch_.step();
  rows_.correction = batch_.correction();
  backend_.judge(rows_);
}

bool Ledger::look(bool all) {
  nowSettled_.resize(batch_.rows());
  backend_.read({rows_.settled.data, batch_.blocks()}, nowSettled_.data());
  if (!all && std::find(nowSettled_.begin(), nowSettled_.end(), 1.0f) == nowSettled_.end()) return false;
  backend_.read(doublesThere_, doubles_.data());
  backend_.read(floatsThere_, floats_.data());
  return true;
}

}  // namespace bulwark
