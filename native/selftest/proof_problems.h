// Random problems of every kind for the tests of proofs and searches.
#pragma once

#include <vector>

#include "bounds/problem.h"
#include "proof/prover.h"
#include "selftest/network_graphs.h"

namespace bulwark::selftest {

/// A graph that ends in two matrices with a ReLU between them.
std::vector<graph::Node> problemGraph(Random&);

/// A claim on the output with a random row.
proof::Claim outputClaim(Random&, const proof::ProofNetwork&, int image, const proof::Multipliers*);

/// Slopes and lambdas of any sensible size; with `wild`, of any size.
proof::Multipliers randomMultipliers(Random&, const proof::ProofNetwork&, int target, bool wild);

/// `count` regions around random centres; boxes, l1 and l2 balls, clipped or not.
Region randomRegion(Random&, int size, int count, double eps);

/// A point of the region of image `image`, often at its border.
std::vector<double> samplePoint(Random&, const Region&, int image);

/// Whether the point is in the region of image `image` in float64, whichever way its norm is summed: no
/// tolerance at all.
bool isInside(const Region&, int image, const double* point, int size);

/// Slopes as CROWN chooses them and small lambdas: multipliers whose bound is worth something.
proof::Multipliers plainMultipliers(const proof::ProofNetwork&, const proof::ImageFacts&, int target,
                                    float lambda);

}  // namespace bulwark::selftest
