// How the ball of a pre-activation follows from the single neurons of the ReLU that it reads, so that its
// multiplier can be paid there. Where z = A relu(z_j) + b through affine nodes alone, with what is known of
// the run over a region (facts.h),
//     || z - zhat ||_2 <= a + delta,   a = ||A||_2 || relu(z_j) - relu(zhat_j) ||_2,
// delta the drift of the nominal run; and (a + delta)^2 <= (1 + t) a^2 + (1 + 1 / t) delta^2 for every t > 0.
#pragma once

#include <vector>

#include "proof/facts.h"

namespace bulwark::proof {

/// || z - zhat ||_2^2 <= square || relu(z_j) - relu(zhat_j) ||_2^2 + rest over the region.
struct BallChain {
  int relu = -1;  // node j; -1: no such bound is known, only the radius
  double square = 0, rest = 0;
  double stretch = 1;  // square is at least this times || A ||_2^2
};

BallChain ballChain(const ProofNetwork&, const ImageFacts&, int pre);

/// The same where z = C x + b for inputs x: || z - zhat ||_2^2 <= stretch || C (x - center) ||_2^2 + rest for
/// the x of the region, before they are rounded to float32.
struct InputChain {
  std::vector<int> path;  // the affine nodes of C, in order; empty: something else comes first
  double norm = 0;        // >= || C ||_2
  double stretch = 1, rest = 0;
};

InputChain inputChain(const ProofNetwork&, const ImageFacts&, int pre);

}  // namespace bulwark::proof
