#include "bounds/coupling.h"

#include <algorithm>
#include <cmath>

namespace bulwark {

namespace {

constexpr int kNewtonSteps = 8;
/// mu stays above h by this part of it, more than the rounding of float32 moments.
constexpr double kApart = 1e-6;

/// The root above `low` of w / (mu - t)^2 + rest / (mu - h)^2 = ball, a convex falling function of mu:
/// Newton's steps from below stay below.
double largestMultiplier(double w, double t, double rest, double h, double ball, double low) {
  double mu = std::max({low, t + std::sqrt(w / ball), h + std::sqrt(rest / ball)});
  for (int step = 0; step < kNewtonSteps; ++step) {
    const double a = 1 / (mu - t), b = 1 / (mu - h);
    const double excess = w * a * a + rest * b * b - ball;
    const double slope = 2 * (w * a * a * a + rest * b * b * b);
    if (!(excess > 1e-9 * ball) || !(slope > 0)) break;
    mu += excess / slope;
  }
  return mu;
}

}  // namespace

CoupledRow coupled(const InputRow& row) {
  const CoupledRow apart{row.value, row.arrived2, 1, 0};
  const double h = row.lambda * row.norm2, ball = row.eps * row.eps;
  if (!(h > 0) || !(ball > 0) || !(row.moved2 > 0) || !(row.lambda0 > 0)) {
    return {row.value - 0.5 * h * ball, apart.allowed, apart.keep, apart.deflect};
  }
  const double scale = row.lambda0 * row.lambda0;
  const double m0 = scale * row.moved2;
  const double m1 = std::min(scale * row.lambda * row.arrived2, h * m0);
  const double m2 = std::min(scale * row.lambda * row.lambda * row.returned2, h * m1);
  // Radau's rule: weight w at t, the rest at h.
  const double gap = h * m0 - m1, spread = h * gap - (h * m1 - m2);
  const double t = gap > 0 ? std::clamp((h * m1 - m2) / gap, 0.0, (1 - kApart) * h) : 0;
  const double w = spread > 0 ? std::min(gap * gap / spread, m0) : 0;
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

}  // namespace bulwark
