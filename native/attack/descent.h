// The device side of the attack: lanes that each descend one row of one image.
#pragma once

#include <span>
#include <vector>

#include "bounds/arena.h"
#include "bounds/options.h"
#include "bounds/problem.h"
#include "kernels/planned.h"

namespace bulwark {

/// One descent: row `row` of `image`; restart 0 starts at the centre.
struct Job {
  int image, row, restart;
};

class Descent {
 public:
  /// Room for `capacity` lanes at a time.
  Descent(const Network& network, const Plans& plans, Backend& backend, const Region& region,
          const Specification& specification, const StopCheck& stop, int capacity);

  /// Puts every job at its image's centre, with nothing found yet.
  void load(std::span<const Job> jobs);
  /// Puts every lane at the centre + deviation; deviations: [lanes][inputSize], in the region.
  void place(const std::vector<float>& deviations);
  /// Puts every lane where a full step from the centre, along the gradient at centre + deviation, leads.
  /// deviations: [lanes][inputSize]; they need not be in the region and are not recorded. Returns early on
  /// `stop`.
  void aim(const std::vector<float>& deviations);
  /// Evaluates the rows where the lanes are, keeps the best, then descends by `step` (0: stays). Returns
  /// early on `stop`: what is kept then is still what some lanes have met.
  void advance(float step);

  int count() const { return count_; }
  /// Smallest C f(x) + d that each lane has met, in float32 arithmetic; +inf where it was never a number.
  std::vector<float> best() const;
  /// The deviations from the centre where these lanes met their best: [lanes.size()][inputSize].
  std::vector<float> points(const std::vector<int>& lanes) const;
  /// Goes on with these lanes only, renumbered in this order.
  void keep(const std::vector<int>& lanes);

 private:
  /// What a lane carries from step to step.
  struct State {
    View center, lower, upper, dx, kept, coefficients;
    Rows eps, best, constant;
  };
  State part(int firstBlock, int blocks) const;
  InputRegion inputRegion(const State& state) const;
  void forward(const State& state);
  void backward(const State& state);

  const Network& network_;
  const Plans& plans_;
  Backend& backend_;
  const Region& region_;
  const Specification& specification_;
  const StopCheck& stop_;
  const bool boxed_;
  int count_ = 0, blocks_ = 0;
  Arena arena_;
  State now_, spare_;
  std::vector<View> activation_, gradient_;  // per node, blocks that run together
  Rows value_;
};

}  // namespace bulwark
