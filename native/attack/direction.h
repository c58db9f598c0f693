// Random points far outside a region: gradients there give restarts their directions.
#pragma once

#include <cstdint>

#include "bounds/problem.h"

namespace bulwark {

/// Writes to `deviation` [inputSize] a random deviation from the centre of `image`: 8, 16, 32, 64 times as
/// far as the region reaches for successive `restart`s, clipped to the clip range of a ball. A counter-based
/// generator: the same (seed, restart) gives the same random numbers, whatever ran before.
void farPoint(const Region& region, int image, int inputSize, uint64_t seed, int restart, float* deviation);

}  // namespace bulwark
