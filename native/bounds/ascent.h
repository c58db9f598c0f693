// Climbing the dual for any number of rows on a batch of fixed size: rows that are settled leave, waiting
// rows take their lanes, and the batch shrinks when the queue is empty.
#pragma once

#include <atomic>
#include <cmath>
#include <limits>
#include <vector>

#include "bounds/dual.h"
#include "bounds/ledger.h"
#include "bounds/rows.h"

namespace bulwark {

/// The bound above which a row counts as proven.
inline double goalOf(const RowSource& source, long row, double headroom) {
  return headroom * std::abs(source.constant(row));
}

/// One entry per row of the source.
struct RowResults {
  explicit RowResults(long count)
      : lower(count, -std::numeric_limits<double>::infinity()), iterations(count, 0), finished(count, 0) {}
  std::vector<double> lower;      // best bound so far, the row's constant included
  std::vector<int> iterations;    // ascent steps taken
  std::vector<uint8_t> finished;  // 0: cut short by the stop check
  // The multipliers behind `lower`, when asked for (the vector then has `count` entries): those of the
  // row's last evaluation, whose bound then is `lower`.
  std::vector<Multipliers> multipliers;
  // The affine lower bound slope^T x + offset of the last iterate, when asked for.
  std::vector<float> slope;    // [count][inputSize]
  std::vector<double> offset;  // relative to the centre: bound = offset + slope^T (x - centre)
};

/// Rows of the source that leave a batch together, and the lanes that they leave.
struct Leaving {
  std::vector<long> rows;
  std::vector<int> lanes;
};

/// Told when a row of the source enters lane r of a batch (after it is loaded, before it is evaluated) and
/// when rows are settled (after their last evaluation); where `ranks` says so, also when the batch knows what
/// these lose at each neuron. Called from all climbing threads, once for every row.
class RowVisitor {
 public:
  virtual ~RowVisitor() = default;
  virtual bool ranks() const { return false; }
  virtual void entered(DualBatch&, int /*r*/, long /*row*/) {}
  virtual void settled(DualBatch&, const Leaving&) {}
  virtual void ranked(DualBatch&, const Leaving&) {}
};

/// Takes rows from `next` until `source` is empty and bounds each. Several threads may run this on the same
/// source, results and counter, each with its own backend and batch; a row's result does not depend on
/// which rows it shares a batch with.
void climb(const RowSource& source, std::atomic<long>& next, DualBatch& batch, Backend& backend,
           const AscentOptions& options, const StopCheck& stop, RowVisitor& visitor, std::atomic<long>& done,
           RowResults& results);

}  // namespace bulwark
