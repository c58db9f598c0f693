// What the kernels should compute, in float64 and as close to the definitions as possible.
#pragma once

#include <functional>
#include <vector>

#include "kernels/backend.h"
#include "network/network.h"

namespace bulwark::selftest {

/// The operator as triples (output feature, input feature, weight), each pair as often as it occurs.
void eachWeight(const Affine& affine, const std::function<void(int, int, double)>& visit);
int inputFeatures(const Affine& affine);
int outputFeatures(const Affine& affine);

/// phi's objective for one neuron: c change - v dz + (lambda + payment) / 2 dz^2 - payment / 2 change^2,
/// change = relu(zhat + dz) - relu(zhat).
struct Neuron {
  double zhat, lower, upper, c, v, lambda, payment;
  double objective(double dz) const;
  /// The minimum over [lower, upper] by search on a grid of `points` intervals, kink and ends included.
  double gridMinimum(int points) const;
};

/// Whether a neuron's slope is the box rule's: always under it, and in rows of the free rule without a ball.
bool followsBox(SlopeRule rule, double lambda, double zhat, double lower, double upper);
/// The slope that ReluLayer's rule gives a neuron; `chosen`: the entry of the slope array.
double slopeOf(SlopeRule rule, double lambda, double zhat, double lower, double upper, double c,
               double chosen);
/// CROWN's slope: stable exact, chord where c < 0, else the line of smaller area.
double crownSlope(double zhat, double lower, double upper, double c);

/// min a^T dx over lower <= dx <= upper and ||dx||_2 <= eps, by bisection on the multiplier.
double clippedL2Minimum(const std::vector<double>& a, const std::vector<double>& lower,
                        const std::vector<double>& upper, double eps);
/// The same for ||dx||_1 <= eps, by search over the dual's breakpoints.
double clippedL1Minimum(const std::vector<double>& a, const std::vector<double>& lower,
                        const std::vector<double>& upper, double eps);

}  // namespace bulwark::selftest
