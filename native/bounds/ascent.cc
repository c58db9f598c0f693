#include "bounds/ascent.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace bulwark {

namespace {

constexpr double kBeta1 = 0.9, kBeta2 = 0.999;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Lane {
  long row = -1;
  int step = 0;
  bool recalled = false;  // back at its best iterate, to be settled there
};

/// The rows in a batch and their places.
class Roster {
 public:
  explicit Roster(int size) : lanes_(size) {}

  int size() const { return static_cast<int>(lanes_.size()); }
  int active() const { return active_; }
  Lane& operator[](int r) { return lanes_[r]; }

  void retire(int r) {
    lanes_[r] = {};
    --active_;
  }
  void enter(int r, long row) {
    lanes_[r] = {row, 0, false};
    ++active_;
  }
  /// Moves the active rows to the front of `size` places; returns where each place's row came from.
  std::vector<int32_t> compact(int size) {
    std::vector<int32_t> source(lanes_.size(), -1);
    int to = 0;
    for (int r = 0; r < this->size(); ++r) {
      if (lanes_[r].row < 0) continue;
      source[to] = r;
      lanes_[to++] = lanes_[r];
    }
    lanes_.resize(size);
    for (; to < size; ++to) lanes_[to] = {};
    return source;
  }

 private:
  std::vector<Lane> lanes_;
  int active_ = 0;
};

}  // namespace

void climb(const RowSource& source, std::atomic<long>& next, DualBatch& batch, Backend& backend,
           const AscentOptions& options, const StopCheck& stop, RowVisitor& visitor, std::atomic<long>& done,
           RowResults& results) {
  Roster roster(batch.rows());
  std::vector<double> value;
  std::vector<float> step, correction;
  bool queued = true;

  const auto refill = [&] {
    std::vector<long> rows(roster.size(), -1);
    std::vector<int32_t> from(roster.size(), -1), image(roster.size(), -1);
    for (int r = 0; r < roster.size(); ++r) {
      if (roster[r].row >= 0) continue;
      const long row = next.fetch_add(1);
      if (row >= source.count()) {
        queued = false;
        break;
      }
      rows[r] = row;
      from[r] = r;
      image[r] = source.image(row);
      roster.enter(r, row);
    }
    source.stage(backend, rows, batch.staging());
    batch.load(from, image);
    for (int r = 0; r < roster.size(); ++r) {
      if (from[r] >= 0) visitor.entered(batch, r, rows[r]);
    }
  };

  const bool evidence = !results.multipliers.empty();
  std::vector<float> slope;  // of all rows in the batch, read when the first of them is settled
  const auto settle = [&](int r, long row, double bound) {
    results.finished[row] = 1;
    done.fetch_add(1);
    visitor.settled(batch, r, row);
    const bool affine = !results.slope.empty();
    // Evidence speaks for the last evaluation alone.
    if (evidence || affine) results.lower[row] = std::isnan(bound) ? -kInfinity : bound;
    if (!affine) return;
    const size_t inputs = results.slope.size() / results.lower.size();
    if (slope.empty()) batch.readSlope(slope);
    std::copy_n(slope.begin() + r * inputs, inputs, results.slope.begin() + row * inputs);
    results.offset[row] = results.lower[row] - batch.inputTerm()[r];
  };

  std::vector<std::pair<int, long>> leaving;  // settled by this evaluation
  const auto readEvidence = [&] {
    std::vector<int> rows;
    for (const auto& [r, row] : leaving) rows.push_back(r);
    std::vector<Multipliers> read = batch.multipliers(rows);
    for (size_t i = 0; i < leaving.size(); ++i) results.multipliers[leaving[i].second] = std::move(read[i]);
  };
  std::vector<int32_t> better, recalled;
  while (!stop()) {
    // A quarter of the lanes idle pays for the pass over memory that loading costs.
    if (queued && 4 * roster.active() <= 3 * roster.size()) refill();
    if (roster.active() == 0) break;
    const int blocks = (roster.active() + backend.lanes() - 1) / backend.lanes();
    if (!queued && blocks * backend.lanes() < roster.size()) {
      batch.compact(roster.compact(blocks * backend.lanes()), blocks);
    }

    batch.evaluate(value);
    step.assign(roster.size(), 0);
    correction.assign(roster.size(), 0);
    slope.clear();
    better.assign(roster.size(), -1);
    recalled.assign(roster.size(), -1);
    for (int r = 0; r < roster.size(); ++r) {
      const long row = roster[r].row;
      if (row < 0) continue;
      const double bound = source.constant(row) + value[r];
      if (bound > results.lower[row]) {  // false for NaN
        results.lower[row] = bound;
        better[r] = r;
      }
      results.iterations[row] = roster[r].step;
      const bool proven =
          options.stopWhenProven && results.lower[row] > goalOf(source, row, options.headroom);
      const bool last = roster[r].step >= options.iterations;
      if (options.keepsBest && last && !proven && better[r] < 0 && !roster[r].recalled) {
        roster[r].recalled = true;
        recalled[r] = r;
        continue;
      }
      if (proven || last) {
        settle(r, row, bound);
        leaving.emplace_back(r, row);
        roster.retire(r);
        continue;
      }
      const int t = ++roster[r].step;
      step[r] = static_cast<float>(options.learningRate * std::pow(options.decay, t - 1) /
                                   (1 - std::pow(kBeta1, t)));
      correction[r] = static_cast<float>(1 / (1 - std::pow(kBeta2, t)));
    }
    if (evidence && !leaving.empty()) readEvidence();
    if (options.keepsBest) batch.remember(better);
    if (roster.active() > 0 || (visitor.follows() && !leaving.empty())) batch.ascend(step, correction);
    if (options.keepsBest) batch.recall(recalled);
    if (visitor.follows()) {
      for (const auto& [r, row] : leaving) visitor.followed(batch, r, row);
    }
    leaving.clear();
  }
}

}  // namespace bulwark
