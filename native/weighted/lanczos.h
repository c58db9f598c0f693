// The largest eigenvalue of symmetric matrices and its eigenvector, estimated lane by lane.
#pragma once

#include <functional>

#include "weighted/lanes.h"

namespace bulwark::weighted {

/// y = S x for the symmetric positive semidefinite S of each lane.
using Product = std::function<void(const Lanes& x, Lanes& y)>;

/// A few Lanczos steps from `vector`, which is not 0 and becomes the unit Ritz vector of the Ritz value
/// returned: a lower estimate of the largest eigenvalue, close where the vector was close to its eigenvector.
PerLane largestEigenvalue(const Product&, int steps, Lanes& vector);

}  // namespace bulwark::weighted
