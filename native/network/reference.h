// Plain float64 loops: what the operators mean. Tests compare the kernels with them; replays that must
// not depend on any kernel use them.
#pragma once

#include <vector>

#include "network/network.h"

namespace bulwark::reference {

/// y = A x + b, x and y in stored order.
std::vector<double> apply(const Affine&, const double* x);
/// y = A x.
std::vector<double> applyLinear(const Affine&, const double* x);
/// x = A^T y.
std::vector<double> applyAdjoint(const Affine&, const double* y);
/// y = |A| x.
std::vector<double> applyMagnitude(const Affine&, const double* x);

/// The network's output at x, both in stored order.
std::vector<double> forward(const Network&, const double* x);
/// The values of all nodes at x.
std::vector<std::vector<double>> forwardAll(const Network&, const double* x);

}  // namespace bulwark::reference
