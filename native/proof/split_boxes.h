// The boxes that the splits of claims narrow.
#pragma once

#include <array>
#include <vector>

#include "proof/claim.h"
#include "proof/kernels.h"
#include "proof/lane_images.h"

namespace bulwark::proof {

/// By feature, the boxes of a ReLU (its index, its pre-activation's node) that splits of the claims in the
/// lanes narrow; vacuous[lane] becomes true where a lane's splits leave no point.
std::vector<SplitBox> splitBoxes(const std::array<const Claim*, kLanes>& claims, const LaneImages&, int relu,
                                 int pre, bool* vacuous);

}  // namespace bulwark::proof
