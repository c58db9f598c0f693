// What the tests of the proofs compare with: the dual and the network in extended precision.
#pragma once

#include <vector>

#include "proof/prover.h"
#include "selftest/network_graphs.h"

namespace bulwark::selftest {

/// A claim's dual value in long double, for the boxes, balls and nominal values that the prover derived.
/// `paid`: adds up to what the ReLUs pay for later balls could come to over their boxes.
long double dualValue(const proof::ProofNetwork&, const proof::ImageFacts&, const proof::Claim&,
                      long double* paid = nullptr);

/// The network's output at x in long double, both in stored order.
std::vector<long double> exactForward(const Network&, const std::vector<double>& x);

/// The ReLUs of a network, in topological order.
std::vector<int> reluNodes(const Network&);

/// The values of all nodes at x, in double.
std::vector<std::vector<double>> nodeValues(const Network&, const std::vector<double>& x);

/// The gradient of row^T output at x, where it has one.
std::vector<long double> gradientAt(const Network&, const std::vector<double>& row,
                                    const std::vector<double>& x);

/// One float32 run: every sum in an order of its own, products fused or not, sums in float32 or wider.
std::vector<float> floatForward(Random&, const Network&, const std::vector<double>& x);

/// row^T y + constant.
double rowValue(const proof::Claim&, const std::vector<long double>& y);

}  // namespace bulwark::selftest
