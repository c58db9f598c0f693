// The input's term when it also pays the ball of the first ReLU layer. With dz = C dx there, C the affine map
// in between, lambda / 2 ||dz||^2 need not be paid by the worst that can arrive, lambda / 2 ||C||^2 eps^2:
// it is a function of the same dx that the linear term a^T dx moves, and the direction that is worst for the
// one is seldom worst for the other. So the input's term is
//     min over ||dx|| <= eps of  a^T dx - 1/2 dx^T H dx,        H = lambda C^T C,
//   >= max over mu > h of  - 1/2 a^T (mu I - H)^-1 a - 1/2 mu eps^2,        h >= ||H||.
// No inverse is needed: for every t < mu, with alpha = 1 / (mu - t) and beta = 1 / (mu - h),
//     1 / (mu - s) <= alpha + alpha^2 (s - t) + alpha^2 beta (s - t)^2        for all s <= h
// (write s = t + x: 1 / (mu - s) = alpha (1 + alpha x + alpha^2 x^2 / (1 - alpha x)), and alpha / (1 - alpha
// x) <= beta), so the same holds between the matrices, and a^T (mu I - H)^-1 a is at most what the moments
// ||a||^2, a^T H a = lambda ||C a||^2 and ||H a||^2 give. The best t makes it the Gauss-Radau rule with a
// node at h (Golub and Meurant, Matrices, Moments and Quadrature, 2010).
//
// Where the ball is clipped to a box, the multipliers of the box are taken off a first: with dx the minimiser
// of a^T x + lambda_0 / 2 x^2 over the box, a = (a + lambda_0 dx) + (- lambda_0 dx), and the first part is
// smallest at dx. For a whole ball the first part is 0. So either way the rest is - lambda_0 dx.
#pragma once

#include <cmath>
#include <cstddef>

#include "kernels/anywhere.h"
#include "kernels/balls.h"
#include "kernels/views.h"

namespace bulwark {

/// One row, as the ball and the box alone leave it: `lambda0` the ball's multiplier, dx the minimiser.
struct InputRow {
  double value;         // of the term without H
  double eps, lambda0;  // lambda0 of a whole ball: ||a|| / eps
  double moved2;        // ||dx||^2
  double arrived2;      // ||C dx||^2
  double returned2;     // ||C^T C dx||^2
  double lambda;        // of the layer's ball, with all that it pays
  double norm2;         // at least ||C||^2
};

struct CoupledRow {
  double value;          // of the term with H
  double allowed;        // - 2 d(value) / d(lambda): ||dz||^2 at which lambda stays as it is
  double keep, deflect;  // where the term is smallest, nearly: keep dx + deflect C^T C dx
};

inline constexpr int kNewtonSteps = 8;
/// mu stays above h by this part of it, more than the rounding of float32 moments.
inline constexpr double kApart = 1e-6;

/// The root above `low` of w / (mu - t)^2 + rest / (mu - h)^2 = ball, a convex falling function of mu:
/// Newton's steps from below stay below.
BULWARK_ANYWHERE inline double largestMultiplier(double w, double t, double rest, double h, double ball,
                                                 double low) {
  double mu = atLeastOf(atLeastOf(low, t + std::sqrt(w / ball)), h + std::sqrt(rest / ball));
  for (int step = 0; step < kNewtonSteps; ++step) {
    const double a = 1 / (mu - t), b = 1 / (mu - h);
    const double excess = w * a * a + rest * b * b - ball;
    const double slope = 2 * (w * a * a * a + rest * b * b * b);
    if (!(excess > 1e-9 * ball) || !(slope > 0)) break;
    mu += excess / slope;
  }
  return mu;
}

BULWARK_ANYWHERE inline CoupledRow coupled(const InputRow& row) {
  const CoupledRow apart{row.value, row.arrived2, 1, 0};
  const double h = row.lambda * row.norm2, ball = row.eps * row.eps;
  if (!(h > 0) || !(ball > 0) || !(row.moved2 > 0) || !(row.lambda0 > 0)) {
    return {row.value - 0.5 * h * ball, apart.allowed, apart.keep, apart.deflect};
  }
  const double scale = row.lambda0 * row.lambda0;
  const double m0 = scale * row.moved2;
  const double m1 = atMostOf(scale * row.lambda * row.arrived2, h * m0);
  const double m2 = atMostOf(scale * row.lambda * row.lambda * row.returned2, h * m1);
  // Radau's rule: weight w at t, the rest at h.
  const double gap = h * m0 - m1, spread = h * gap - (h * m1 - m2);
  const double t = gap > 0 ? atMostOf(atLeastOf((h * m1 - m2) / gap, 0.0), (1 - kApart) * h) : 0;
  const double w = spread > 0 ? atMostOf(gap * gap / spread, m0) : 0;
  const double mu = largestMultiplier(w, t, m0 - w, h, ball, (1 + kApart) * h);

  const double alpha = 1 / (mu - t), beta = 1 / (mu - h), bend = alpha * alpha * beta;
  const double inverse = alpha * m0 + alpha * alpha * (m1 - t * m0) + bend * (m2 - 2 * t * m1 + t * t * m0);
  CoupledRow out;
  out.value = row.value + 0.5 * row.lambda0 * (ball + row.moved2) - 0.5 * (inverse + mu * ball);
  // The nodes are proportional to lambda; so may mu be, since it is best where it is or follows h.
  out.allowed = (mu * ball - w * alpha - (m0 - w) * beta) / row.lambda;
  // H^2 a is taken for a multiple of H a.
  out.keep = row.lambda0 * (alpha - t * alpha * alpha + t * t * bend);
  out.deflect = row.lambda0 * row.lambda * (alpha * alpha - 2 * t * bend + (m1 > 0 ? m2 / m1 : 0) * bend);
  return out;
}

/// The input's term of every row, and the memory of its moments.
struct CoupledInput {
  Balls balls;                    // `allowed` of the coupled layer is written
  Rows eps, lambda0;              // lambda0 absent: a whole ball
  Rows moved, arrived, returned;  // ||dx||, ||C dx||, ||C^T C dx||
  Sums value;                     // of the term without H; the term with it
  Rows keep, deflect;             // out
};

BULWARK_ANYWHERE inline void coupleRow(const CoupledInput& input, size_t row) {
  const auto square = [](double x) { return x * x; };
  const Balls& balls = input.balls;
  const size_t at = balls.at(balls.coupled, row);
  const double ball = square(input.eps.data[row]), value = input.value.data[row];
  const CoupledRow out = coupled({.value = value,
                                  .eps = input.eps.data[row],
                                  .lambda0 = input.lambda0.data ? input.lambda0.data[row]
                                             : ball > 0         ? -value / ball
                                                                : 0,
                                  .moved2 = square(input.moved.data[row]),
                                  .arrived2 = square(input.arrived.data[row]),
                                  .returned2 = square(input.returned.data[row]),
                                  .lambda = balls.lambda.data[at] + balls.paid.data[at],
                                  .norm2 = balls.factor(balls.coupled)});
  input.value.data[row] = out.value;
  balls.allowed.data[at] = out.allowed;
  input.keep.data[row] = static_cast<float>(out.keep);
  input.deflect.data[row] = static_cast<float>(out.deflect);
}

}  // namespace bulwark
