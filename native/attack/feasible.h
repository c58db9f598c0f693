// Points that are inside a region in float64, made from float32 deviations.
#pragma once

#include "bounds/problem.h"

namespace bulwark {

/// Writes to `point` [inputSize] the centre of `image` plus `deviation`, moved inside: between lower and
/// upper exactly, and in the ball by a relative margin larger than what summing the norm in any order can
/// lose.
void feasiblePoint(const Region& region, int image, int inputSize, const float* deviation, double* point);

/// Throws std::invalid_argument naming image and feature where a centre of [first, first + count) is outside
/// its box.
void requireCentersInside(const Region& region, int first, int count, int inputSize);

}  // namespace bulwark
