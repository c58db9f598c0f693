#include "bounds/ascent.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "bounds/repeated.h"

namespace bulwark {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Lane {
  long row = -1;
  int evaluations = 0;
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
    lanes_[r] = {row, 0};
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
  Ledger ledger(batch, backend, options);
  bool queued = true;
  // Steps between two looks at the device: few where rows are new, many of which are proven at once. Nor is
  // the host ever far ahead, so that the stop check is obeyed soon.
  int patience = 1, unseen = 0;

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
      const double goal = options.stopWhenProven ? goalOf(source, row, options.headroom) : kInfinity;
      ledger.enter(r, source.constant(row), goal);
    }
    source.stage(backend, rows, batch.staging());
    batch.load(from, image);
    for (int r = 0; r < roster.size(); ++r) {
      if (from[r] >= 0) visitor.entered(batch, r, rows[r]);
    }
    patience = 1;
  };

  const bool evidence = !results.multipliers.empty();
  std::vector<float> slope;  // of all rows in the batch, read when the first of them is settled
  std::vector<double> inputTerm;
  const auto settle = [&](int r, long row) {
    results.lower[row] = ledger.best(r);
    results.iterations[row] = ledger.taken(r);
    results.finished[row] = 1;
    done.fetch_add(1);
    const bool affine = !results.slope.empty();
    // Evidence speaks for the last evaluation alone.
    if (evidence || affine) results.lower[row] = std::isnan(ledger.bound(r)) ? -kInfinity : ledger.bound(r);
    if (!affine) return;
    const size_t inputs = results.slope.size() / results.lower.size();
    if (slope.empty()) {
      batch.readSlope(slope);
      inputTerm = batch.inputTerm();
    }
    std::copy_n(slope.begin() + r * inputs, inputs, results.slope.begin() + row * inputs);
    results.offset[row] = results.lower[row] - inputTerm[r];
  };

  Leaving leaving;  // settled by this evaluation
  const auto readEvidence = [&] {
    std::vector<Multipliers> read = batch.multipliers(leaving.lanes);
    for (size_t i = 0; i < read.size(); ++i) results.multipliers[leaving.rows[i]] = std::move(read[i]);
  };
  const auto look = [&] {
    unseen = 0;
    patience = std::min(2 * patience, backend.stepsAhead());
    if (!ledger.look()) return;
    slope.clear();
    for (int r = 0; r < roster.size(); ++r) {
      const long row = roster[r].row;
      if (row < 0 || !ledger.settled(r)) continue;
      settle(r, row);
      leaving.rows.push_back(row);
      leaving.lanes.push_back(r);
      roster.retire(r);
      ledger.retire(r);
    }
    if (leaving.rows.empty()) return;
    visitor.settled(batch, leaving);
    if (evidence) readEvidence();
  };
  const auto evaluate = [&] {
    batch.evaluate();
    ledger.judge();
  };
  Repeated evaluateAgain(backend, evaluate);
  const auto step = [&](bool ranks) {
    if (options.keepsBest) batch.remember(ledger.improved());
    batch.ascend(ranks);
  };
  Repeated ascend(backend, [&] { step(false); });
  Repeated ascendAndRank(backend, [&] { step(true); });
  while (!stop()) {
    // A quarter of the lanes idle pays for the pass over memory that loading costs.
    if (queued && 4 * roster.active() <= 3 * roster.size()) refill();
    if (roster.active() == 0) break;
    const int blocks = (roster.active() + backend.lanes() - 1) / backend.lanes();
    if (!queued && blocks * backend.lanes() < roster.size()) {
      const std::vector<int32_t> from = roster.compact(blocks * backend.lanes());
      batch.compact(from, blocks);
      ledger.compact(from);
      evaluateAgain.changed();
      ascend.changed();
      ascendAndRank.changed();
    }

    ledger.send();
    if (batch.fresh()) {
      evaluate();
    } else {
      evaluateAgain();
    }
    ++unseen;
    bool ends = false;  // a row may have taken its last step
    for (int r = 0; r < roster.size(); ++r) {
      if (roster[r].row >= 0) ends |= ++roster[r].evaluations > options.iterations;
    }
    if (ends || unseen >= patience) look();
    const bool ranks = visitor.ranks() && !leaving.rows.empty();
    if (roster.active() > 0 || ranks) {
      ranks ? ascendAndRank() : ascend();
      if (options.keepsBest && ends) batch.recall(ledger.recalled());  // nobody goes back before the end
    }
    if (ranks) visitor.ranked(batch, leaving);
    leaving = {};
  }
  // What the stop check cut short keeps what it has.
  if (roster.active() > 0) ledger.look(true);
  for (int r = 0; r < roster.size(); ++r) {
    const auto [row, evaluations] = roster[r];
    if (row < 0 || evaluations == 0) continue;
    results.lower[row] = ledger.best(r);
    results.iterations[row] = std::min(evaluations - 1, ledger.taken(r));
  }
}

}  // namespace bulwark
