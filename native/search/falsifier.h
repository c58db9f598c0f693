// The attack beside branch and bound: where the relaxation of an open subproblem is least is a good place to
// descend from, since splits bring it ever nearer to where the network itself is least.
#pragma once

#include <optional>
#include <vector>

#include "attack/descent.h"
#include "attack/replay.h"
#include "bounds/prepared.h"
#include "bounds/workers.h"

namespace bulwark {

/// Where the relaxation of a subproblem of a row is least, as a deviation from the centre.
struct Minimiser {
  long row;
  std::vector<float> deviation;
};

class Falsifier {
 public:
  /// Attacks rows of images [first, first + count), numbered image by image, and writes to `result` what it
  /// finds; all must outlive it. Throws std::invalid_argument where a centre is outside its box.
  Falsifier(const Prepared& prepared, const Region& region, const Specification& specification, int first,
            int count, Workers& workers, const StopCheck& stop, AttackResult& result);

  /// Takes in minimisers and, the first time and then once there are enough for the lanes of a descent, or
  /// with `now`, descends from those where the rows are smallest. What it does depends on what it was given
  /// alone.
  void consider(std::vector<Minimiser> minimisers, bool now = false);

  /// Whether this row's image is falsified: some row of it is negative at a point of the region, in float64.
  bool falsified(long row) const { return falsified(jobOf(row)); }

 private:
  Job jobOf(long row) const {
    return {first_ + static_cast<int>(row / specification_.rowCount),
            static_cast<int>(row % specification_.rowCount), 0};
  }
  bool falsified(const Job& job) const { return result_.margin[job.image] < 0; }
  void descend(const std::vector<Minimiser>& from);
  void collect(const std::vector<Job>& jobs);

  const Prepared& prepared_;
  const Region& region_;
  const Specification& specification_;
  const int first_;
  Workers& workers_;
  const StopCheck& stop_;
  AttackResult& result_;
  std::vector<Minimiser> waiting_;
  std::optional<Descent> descent_;
};

}  // namespace bulwark
