// What attacks found, in float64: the only values of theirs that count.
#pragma once

#include <vector>

#include "bounds/problem.h"
#include "network/network.h"

namespace bulwark {

/// What an attack found. Values are float64 evaluations at points inside the region in float64.
struct AttackResult {
  std::vector<double>
      value;  // [count][rowCount] smallest of each row over the points evaluated: its own best
              // point or, with stopWhenFalsified, only the image's best; +inf: none in time
  std::vector<double> margin;  // [count] smallest of the image's values
  std::vector<int> row;        // [count] its row; -1: none
  std::vector<double> point;   // [count][inputSize] where it is taken; the centre where there is none

  AttackResult(const Region& region, const Specification& specification);
};

/// Evaluates the image's rows at its centre + `deviation` [inputSize], moved inside the region, and takes
/// over what is smaller than what `result` has.
void replay(const Network& network, const Region& region, const Specification& specification, int image,
            const float* deviation, AttackResult& result);

}  // namespace bulwark
