// Projected gradient descent on rows C f(x) + d: the smallest value found is an upper bound on the minimum
// that a certificate bounds from below.
//
// One lane descends one row of one image. Every image first descends all its rows from the centre, which
// already ends near the best value known; restarts then go to its two most promising rows only. A restart
// starts along the gradient at a random point far outside the region: directions taken there differ much
// more than those at random points inside, most of which flow to the same local minimum.
#pragma once

#include <cstdint>

#include "attack/replay.h"
#include "bounds/options.h"
#include "bounds/problem.h"
#include "kernels/planned.h"

namespace bulwark {

struct AttackOptions {
  int steps = 20;
  int restarts = 24;  // further starts per image, shared by its two most promising rows
  double stepSize =
      1;  // first step as a fraction of eps (box: of the half width); a cosine brings it to a fiftieth
  uint64_t seed = 0;  // the same seed gives every image the same directions, whatever its batch
  /// An image is done at its first negative row, and rows whose progress cannot reach zero leave early.
  bool stopWhenFalsified = false;
};

/// Images worth attacking in one call of `attackImages`: enough lanes to fill whole blocks, or the device.
int attackChunk(int rowCount, const Backend& backend);

/// Attacks images [first, first + count) and writes their part of `result`; calls on disjoint images may run
/// at once, each with its own backend. Polls `stop` between steps and then returns at once: values are those
/// that were evaluated by then. Throws std::invalid_argument where a centre is outside its box.
void attackImages(const Network& network, const Plans& plans, Backend& backend, const Region& region,
                  const Specification& specification, int first, int count, const AttackOptions& options,
                  const StopCheck& stop, AttackResult& result);

}  // namespace bulwark
