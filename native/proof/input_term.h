// The last step of a proof: the minimum of g^T x over the region, bounded from below.
#pragma once

#include "proof/kernels.h"
#include "proof/lane_images.h"

namespace bulwark::proof {

/// minimum[lane] <= min over the lane's set of g^T x, for g [feature][lane]; -infinity or NaN where nothing
/// can be said. `lambda` of a clipped l2 ball, any values >= 0: with it the ball's constraint moves into the
/// objective. Any such bound holds, so the largest of those that apply is taken.
void inputMinimum(const KernelTable&, const LaneImages&, const double* g, const double* lambda, double slack,
                  double* minimum);
/// The same where one set is that of all lanes, without a ball's multiplier.
void inputMinimum(const KernelTable&, const InputSet&, const double* g, double slack, double* minimum);

}  // namespace bulwark::proof
