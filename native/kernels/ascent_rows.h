// Where the rows of a batch stand in their ascent. Every device computes this from here.
#pragma once

#include <cstddef>

#include "kernels/anywhere.h"
#include "kernels/views.h"

namespace bulwark {

/// One number per row. A row is settled when its best bound exceeds its goal, or its steps are taken - and
/// then, if its best iterate is to be kept, after one more evaluation there. A settled row stays as it is:
/// evaluations repeat its last one to the bit, until somebody looks.
struct AscentRows {
  Sums value;              // in: of the last evaluation
  Sums constant, goal;     // in: added to the value; the best bound above which a row is proven
  Sums best, bound;        // best bound so far; that of the last evaluation
  Rows taken;              // steps before this evaluation, and before the next; negative: no row is here
  Rows improved;           // out: 1 where this evaluation gave the best bound so far
  Rows recalled, settled;  // 1 or 0; recalled: goes back to its best iterate now
  Rows step, correction;   // out: of the next step (see Adam); 0 where none is taken
  Rows rates;              // in: step and correction of step t at 2t and 2t + 1, from 1 to `rated`
  int rated = 0;           // later steps go on with the last
  int iterations = 0;      // at most 2^24: `taken` counts in float32
  bool keepsBest = false;
};

BULWARK_ANYWHERE inline void judgeRow(const AscentRows& rows, size_t row) {
  bool improved = false, recalled = false;
  float step = 0, correction = 0;
  // Small whole numbers, which float32 holds exactly.
  const int taken = static_cast<int>(rows.taken.data[row]);
  if (taken >= 0 && rows.settled.data[row] == 0) {
    const double bound = rows.constant.data[row] + rows.value.data[row];
    rows.bound.data[row] = bound;
    improved = bound > rows.best.data[row];  // false for NaN
    if (improved) rows.best.data[row] = bound;
    const bool proven = rows.best.data[row] > rows.goal.data[row], last = taken >= rows.iterations;
    recalled = rows.keepsBest && last && !proven && !improved && rows.recalled.data[row] == 0;
    if (!recalled && (proven || last)) rows.settled.data[row] = 1;
    if (!proven && !last) {
      rows.taken.data[row] = static_cast<float>(taken + 1);
      const int rate = atMostOf(taken + 1, rows.rated);
      step = rows.rates.data[2 * rate];
      correction = rows.rates.data[2 * rate + 1];
    }
  }
  rows.improved.data[row] = improved ? 1.0f : 0.0f;
  rows.recalled.data[row] = recalled ? 1.0f : 0.0f;
  rows.step.data[row] = step;
  rows.correction.data[row] = correction;
}

}  // namespace bulwark
