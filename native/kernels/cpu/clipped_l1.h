#pragma once

#include "kernels/backend.h"

namespace bulwark {

/// min a^T dx over an l1 ball intersected with a box around its centre: a fractional knapsack, solved
/// exactly.
void clippedL1Input(const InputRegion& region, View a, View dx, Sums value);

}  // namespace bulwark
