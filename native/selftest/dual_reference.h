// The dual in absolute coordinates and float64, one row at a time: biases and
// pre-activations themselves, where the engine works with deviations from the nominal run. The two have no
// line of arithmetic in common, so they agree only if both are right.
#pragma once

#include <limits>
#include <vector>

#include "bounds/dual.h"
#include "network/network.h"

namespace bulwark::selftest {

/// min over lower <= z <= upper of c relu(z) - v z + lambda / 2 (z - zhat)^2 - payment / 2 (relu(z) -
/// relu(zhat))^2.
struct Phi {
  double c, v, lambda, zhat;
  double lower = -std::numeric_limits<double>::infinity();
  double upper = std::numeric_limits<double>::infinity();
  double payment = 0;  // at most lambda

  double objective(double z) const;
  /// Closed form: each side of the kink is a parabola clipped to its part of the box. `minimiser` may be
  /// null.
  double minimum(double* minimiser = nullptr) const;
  /// Sum of the absolute values of the objective's terms at z where z is known as a deviation from zhat: with
  /// |z| + |zhat| in the place of z, as such a sum is rounded.
  double operands(double z) const;
};

/// What the dual knows of one ReLU's pre-activation.
struct KnownLayer {
  int relu;  // node
  std::vector<double> zhat, lower, upper;
  double rho;
  // Where source >= 0, ||z - zhat||^2 <= factor ||relu(z') - relu(zhat')||^2 for z' of that layer, which
  // pays.
  int source = -1;
  double factor = 0;
  // The same with the input's deviation, which pays: the affine nodes in between, in order; empty: not so.
  std::vector<int> path{};
};

/// min c^T z_target over one image's region, and what is known about the layers between.
struct DualProblem {
  const Network* network;
  int target;
  std::vector<double> c;
  std::vector<KnownLayer> layers;  // ReLUs below the target, in topological order
  bool boundless;                  // phi over all of R, Theorem 4.1 of SDP-CROWN
  InputKind kind;
  bool clipped;
  double eps;
  std::vector<double> center, lower, upper;  // the box only for boxes and clipped balls
};

/// As `Multipliers`, in float64: lambda is what a layer has beyond what it pays for.
struct DualPoint {
  std::vector<std::vector<double>> slope;
  std::vector<double> lambda;
  double inputLambda = 0;
};

struct DualValue {
  double bound;
  double magnitude;  // sum of the absolute values of all terms
  double operands;   // the same of what terms are sums of: what rounding is relative to in deviations
  std::vector<std::vector<double>> c;  // per layer, d(bound)/d(activation)
  std::vector<std::vector<double>> z;  // per layer, the minimiser of phi
  std::vector<double> x;               // the minimiser at the input
  std::vector<double> payment;         // per layer, for the balls of later ones
};

/// D(v, lambda) with v = slope * c.
DualValue evaluateDual(const DualProblem& problem, const DualPoint& point);

struct DualGradient {
  std::vector<std::vector<double>> slope;
  std::vector<double> lambda;
};

/// A supergradient of D in each variable: dD/ds = c * G and dD/dlambda = (||z - zhat||^2 - room) / 2, where
/// G is the residual of the affine constraints, carried forward through the slopes; room is rho^2, or what
/// the source's room leaves: factor (room' - ||z' - zhat'||^2 + ||relu(z') - relu(zhat')||^2).
DualGradient dualGradient(const DualProblem& problem, const DualPoint& point, const DualValue& at);

/// The problem that a row of the engine stands for, with the engine's own boxes and radii: row coefficients
/// `c` on `target`, image `image` of `region`.
DualProblem problemOf(const Images& images, Backend& backend, const Region& region, int image, int target,
                      const std::vector<double>& c, const DualPreset& preset, const std::vector<int>& relus);

DualPoint pointOf(const Multipliers& multipliers);

}  // namespace bulwark::selftest
