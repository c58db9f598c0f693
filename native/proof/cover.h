// Trees of splits: whether leaves leave nothing of a region out.
#pragma once

#include <vector>

#include "proof/claim.h"

namespace bulwark::proof {

/// Whether every point of a region is in one of the leaves, given by their splits from the root on: one leaf
/// without splits; or all of them split the same neuron first, and those of each side cover that side.
bool covers(const std::vector<const std::vector<Split>*>& leaves);

}  // namespace bulwark::proof
