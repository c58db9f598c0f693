// The multipliers of the balls of all ReLU layers of a batch, row by row: what they pay for each other
// (bounds/chain.h), how they start and how they step. Every device computes these formulas from here.
#pragma once

#include <cmath>
#include <cstddef>

#include "kernels/anywhere.h"
#include "kernels/views.h"

namespace bulwark {

/// One number per row and layer in every array but `links`; those of a layer begin `stride` after those of
/// the layer before it, and the rows are those of lambda's blocks.
struct Balls {
  int layers = 0;
  size_t stride = 0;
  Rows lambda;   // what a layer's ball costs beside what it pays
  Rows payment;  // for the balls of the layers that have this one as their source, as ReLUs read it
  Rows guess;    // where a multiplier starts that must leave 0
  Rows radius;   // in
  Rows distance2, passed2;  // in: ||dz||^2 and what passes the ReLU of it, of the last evaluation
  Sums paid;                // payment in float64
  Sums allowed;             // ||dz||^2 at which lambda stays as it is; in: of the coupled layer
  Sums value;               // in: sum phi
  Sums links;               // in: source (negative: the radius or the input) and factor of each layer
  int coupled = -1;         // the layer whose ball the input pays
  bool boundless = false;   // no box holds phi where lambda vanishes

  BULWARK_ANYWHERE size_t at(int layer, size_t row) const {
    return static_cast<size_t>(layer) * stride + row;
  }
  BULWARK_ANYWHERE int source(int layer) const { return static_cast<int>(links.data[2 * layer]); }
  BULWARK_ANYWHERE double factor(int layer) const { return links.data[2 * layer + 1]; }
};

/// Given the slopes, a layer's lambda touches only the layer's own concave term, sum phi - 1/2 lambda rho^2,
/// whose derivative is (||dz||^2 - rho^2) / 2. So 0 is best where the minimiser at 0 lies in the ball, and
/// else a fixed-point step from the scale ||c|| / rho is taken if it beats 0. An evaluation follows each
/// stage.
enum class BallStart {
  zero,    // unless the layer is boundless, where 0 leaves phi without a bound
  guess,   // from ||c||, where it is wanted
  follow,  // the fixed-point step
  decide,  // whether it was worth it; boundless: one more step
};

/// A chained ball's room is at least this part of its radius squared, so that steps stay finite.
inline constexpr double kLeastRoom = 1e-3;
/// Holds phi at its point where the ball is one and no box does; any value is sound.
inline constexpr float kPointLambda = 1e18f;

BULWARK_ANYWHERE inline void payRow(const Balls& balls, size_t row) {
  for (int k = 0; k < balls.layers; ++k) balls.paid.data[balls.at(k, row)] = 0;
  for (int k = balls.layers - 1; k >= 0; --k) {
    const size_t at = balls.at(k, row);
    const double paid = balls.paid.data[at];
    balls.payment.data[at] = static_cast<float>(paid);
    if (const int source = balls.source(k); source >= 0)
      balls.paid.data[balls.at(source, row)] += balls.factor(k) * (balls.lambda.data[at] + paid);
  }
}

BULWARK_ANYWHERE inline double valueOfRow(const Balls& balls, size_t row, double input) {
  double value = 0;
  for (int k = 0; k < balls.layers; ++k) {
    const size_t at = balls.at(k, row);
    const double rho = balls.radius.data[at], lambda = balls.lambda.data[at] + balls.paid.data[at];
    const bool own = balls.source(k) < 0 && k != balls.coupled;
    value += balls.value.data[at] - (own && lambda > 0 ? 0.5 * lambda * rho * rho : 0);
  }
  return value + input;
}

BULWARK_ANYWHERE inline void startRow(const Balls& balls, int layer, BallStart stage, size_t row, float scale,
                                      double& atZero) {
  const size_t at = balls.at(layer, row);
  const float rho = balls.radius.data[at], distance2 = balls.distance2.data[at];
  const bool ball = rho > 0 && isFinite(rho);
  float& lambda = balls.lambda.data[at];
  if (stage == BallStart::zero) {
    lambda = 0;
    return;
  }
  if (stage == BallStart::guess) {
    const bool wanted = ball && (balls.boundless || distance2 > rho * rho);
    const float guess = ball ? 0.5f * scale / rho : 0.0f;
    balls.guess.data[at] = guess;
    lambda = wanted ? guess : balls.boundless && rho == 0 ? kPointLambda : 0.0f;
    atZero = balls.value.data[at];
    return;
  }
  const float factor = std::sqrt(distance2) / rho;
  if (balls.boundless) {
    if (ball) lambda *= atLeastOf(factor, 0.5f);
  } else if (lambda == 0) {
    // It was not wanted.
  } else if (stage == BallStart::follow) {
    lambda *= factor;
  } else if (balls.value.data[at] - 0.5 * lambda * rho * rho < atZero) {
    lambda = 0;
  }
}

/// Where the bound's derivative in lambda, all that other layers pay for it included, is zero: at ||dz||^2 =
/// rho^2 for a ball of its own, and for a chained one what passes its source, but that the source's minimiser
/// may lie outside or well inside of what it is allowed itself.
BULWARK_ANYWHERE inline double allowedOf(const Balls& balls, int layer, size_t row) {
  const float radius = balls.radius.data[balls.at(layer, row)];
  const double least = kLeastRoom * radius * radius;
  if (layer == balls.coupled) return atLeastOf(balls.allowed.data[balls.at(layer, row)], least);
  const int source = balls.source(layer);
  if (source < 0) return static_cast<double>(radius) * radius;
  const size_t from = balls.at(source, row);
  const double room = balls.factor(layer) *
                      (balls.allowed.data[from] - balls.distance2.data[from] + balls.passed2.data[from]);
  return atLeastOf(room, least);
}

/// The fixed-point step; a multiplier at 0 cannot leave it by factors, so it starts anew where the minimiser
/// has left the ball. Sources come before what they pay for.
BULWARK_ANYWHERE inline void stepRow(const Balls& balls, size_t row) {
  for (int k = 0; k < balls.layers; ++k) {
    const size_t at = balls.at(k, row);
    const float distance2 = balls.distance2.data[at], radius = balls.radius.data[at];
    float& lambda = balls.lambda.data[at];
    if (balls.boundless) {
      // No box holds phi where lambda vanishes: shrink it by halves at most.
      if (radius > 0) lambda *= atLeastOf(std::sqrt(distance2) / radius, 0.5f);
      continue;
    }
    const double allowed = allowedOf(balls, k, row);
    balls.allowed.data[at] = allowed;
    // A ball that the input pays may gain from a little earlier on, but not from as much as the guess.
    const double leaves = k == balls.coupled ? static_cast<double>(radius) * radius : allowed;
    if (lambda == 0 && distance2 > leaves && balls.guess.data[at] > 0) {
      lambda = balls.guess.data[at];
    } else if (!(radius > 0 && isFinite(radius))) {
      lambda = 0;
    } else if (balls.source(k) < 0 && k != balls.coupled) {
      lambda *= std::sqrt(distance2) / radius;
    } else {
      lambda = static_cast<float>(lambda * std::sqrt(distance2 / allowed));
    }
  }
}

}  // namespace bulwark
