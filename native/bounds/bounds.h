// Lower bounds of specification rows over regions: the entry to this room.
#pragma once

#include <cstdint>
#include <vector>

#include "bounds/dual.h"
#include "bounds/options.h"
#include "bounds/prepared.h"
#include "bounds/problem.h"
#include "bounds/workers.h"

namespace bulwark {

struct BoundsResult {
  std::vector<double> lower;             // [count][rowCount]; -infinity where nothing was shown
  std::vector<int32_t> iterations;       // [count][rowCount] ascent steps
  std::vector<uint8_t> timedOut;         // [count] 1: the stop check cut this image short
  std::vector<float> slope;              // [count][rowCount][inputSize], stored order; empty unless asked for
  std::vector<Multipliers> multipliers;  // [count][rowCount]; empty unless asked for
  std::vector<BoxClaim> boxes;           // what the boxes relied on, with the multipliers
  std::vector<double> offset;            // [count][rowCount]: row >= slope^T x + offset on the region
};

/// Told of each batch of images, one after the other, as soon as their part of the result is there.
template <class Result>
using Settled = std::function<void(int first, int count, Result&)>;

/// Float32 arithmetic, not yet enclosed: `lower` can exceed the exact dual value by rounding.
BoundsResult computeBounds(const Prepared& prepared, const Region& region, const Specification& specification,
                           const BoundsOptions& options, Workers& workers, const StopCheck& stop,
                           const Progress& progress, const Settled<BoundsResult>& settled = {});

}  // namespace bulwark
