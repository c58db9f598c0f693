#include "proof/coupling.h"

#include <algorithm>
#include <cmath>

#include "proof/rounding.h"

namespace bulwark::proof {
namespace {

/// Vectors in lanes and, lane by lane, how far in norm they may be from what they stand for.
struct Lanes {
  Buffers::Buffer values;
  int size = 0;
  double norm[kLanes] = {};  // of the values, rounded up
  double error[kLanes] = {};
};

/// More than the square root of a sum of `count` computed squares can be off by, relative.
double normSlack(int count) { return up(gamma(count + 8.0)); }

void measure(Lanes& x) {
  double sum[kLanes] = {};
  for (int i = 0; i < x.size; ++i) {
    for (int lane = 0; lane < kLanes; ++lane) {
      const double value = x.values[static_cast<size_t>(i) * kLanes + lane];
      sum[lane] += value * value;
    }
  }
  for (int lane = 0; lane < kLanes; ++lane)
    x.norm[lane] = up(std::sqrt(sum[lane]) * (1 + normSlack(x.size)) + x.size * kTiny);
}

/// x through an affine node's operator, without its bias, or through the adjoint.
Lanes passed(const ProofNetwork& network, const KernelTable& kernels, int node, bool forward, const Lanes& x,
             Buffers& buffers) {
  const Operator& op = network.operatorOf(node);
  Lanes y;
  y.size = network.size(forward ? node : network.network().nodes[node].inputs[0]);
  y.values = buffers.take(static_cast<size_t>(y.size) * kLanes);
  if (forward) {
    op.forward(kernels, x.values.get(), y.values.get());
  } else {
    op.adjoint(kernels, x.values.get(), y.values.get());
  }
  measure(y);
  const double rounding = gamma((forward ? op.forwardTerms() : op.adjointTerms()) + 4.0);
  for (int lane = 0; lane < kLanes; ++lane) {
    const double moved = rounding * x.norm[lane] + x.error[lane];
    // A term that underflows is below the smallest normal number, and sums have fewer terms than inputs.
    y.error[lane] = up(network.frobenius(node) * moved + static_cast<double>(y.size) * x.size * kTiny);
  }
  return y;
}

struct Between {
  double low, high;
};

/// The square of the norm of what a vector stands for, times `factor`.
Between square(const Lanes& x, int lane, double factor) {
  const double least = x.norm[lane] * (1 - 4 * normSlack(x.size)) - 2 * x.size * kTiny - x.error[lane];
  const double low = std::max(0.0, below(least)), high = up(x.norm[lane] + x.error[lane]);
  return {factor * low * low * (1 - 8 * kUnit), up(factor * high * high)};
}

/// At least min over mu of a^T (mu I - H)^-1 a + mu eps^2.
double spent(double m0, Between m1, double m2, double h, double eps) {
  const double ball = eps * eps;
  // Proposals: Gauss and Radau's node t with weight w, the rest at h, and Newton's steps to the best mu from
  // below. Next to h rounding would cost more than what is left to gain.
  const double gap = h * m0 - m1.high, spread = h * gap - (h * m1.high - m2);
  double t = gap > 0 ? (h * m1.high - m2) / gap : 0;
  t = t > 0 ? std::min(t, (1 - 1e-9) * h) : 0;
  const double w = spread > 0 && gap > 0 ? std::min(gap * gap / spread, m0) : 0, rest = m0 - w;
  double mu = std::max({(1 + 1e-7) * h, t + std::sqrt(w / ball), h + std::sqrt(rest / ball)});
  for (int step = 0; step < 12; ++step) {
    const double a = 1 / (mu - t), b = 1 / (mu - h);
    const double excess = w * a * a + rest * b * b - ball, slope = 2 * (w * a * a * a + rest * b * b * b);
    if (!(excess > 0) || !(slope > 0)) break;
    mu += excess / slope;
  }
  if (!(mu > h) || !(t >= 0) || !(t < mu) || !std::isfinite(mu)) return kInfinity;

  const double alpha = 1 / (mu - t), square = alpha * alpha, bend = square * (1 / (mu - h));
  const double c0 = alpha - t * square + t * t * bend, c1 = square - 2 * t * bend;
  const double value = c0 * m0 + std::max(c1 * m1.low, c1 * m1.high) + bend * m2;
  // Every product of these has fewer than 16 roundings.
  const double size =
      (alpha + t * square + t * t * bend) * m0 + (square + 2 * t * bend) * m1.high + bend * m2;
  return up(value + 64 * kUnit * size + mu * ball);
}

}  // namespace

void coupledMinimum(const ProofNetwork& network, const KernelTable& kernels, const LaneImages& images,
                    const std::vector<int>& path, double norm, const double* g, const double* lambda,
                    const double* inputLambda, Buffers& buffers, double* minimum) {
  const int size = network.size(0);
  Lanes a;
  a.size = size;
  a.values = buffers.take(static_cast<size_t>(size) * kLanes);
  double linear[kLanes] = {}, magnitude[kLanes] = {};
  for (int lane = 0; lane < kLanes; ++lane) {
    const InputSet& set = images[lane].input();
    for (int i = 0; i < size; ++i) {
      const size_t at = static_cast<size_t>(i) * kLanes + lane;
      const double low = set.lower[i] - set.center[i], high = set.upper[i] - set.center[i];
      const double slope = g[at];
      double part = slope;
      if (set.clipped) {
        const double stationary = -slope / inputLambda[lane];
        const double point = stationary > low ? (stationary < high ? stationary : high) : low;
        part = point == stationary ? slope : -inputLambda[lane] * point;
      }
      a.values[at] = part;
      linear[lane] += slope * set.center[i];
      linear[lane] += std::min((slope - part) * low, (slope - part) * high);
      magnitude[lane] += (std::fabs(slope) + std::fabs(part)) * set.reach[i];
    }
  }
  measure(a);
  Lanes there;
  for (size_t i = 0; i < path.size(); ++i)
    there = passed(network, kernels, path[i], true, i == 0 ? a : there, buffers);
  Lanes back;
  for (size_t i = path.size(); i-- > 0;)
    back = passed(network, kernels, path[i], false, i + 1 == path.size() ? there : back, buffers);
  for (int lane = 0; lane < kLanes; ++lane) {
    const InputSet& set = images[lane].input();
    if (!(lambda[lane] > 0) || (set.clipped && !(inputLambda[lane] > 0))) continue;
    const double h = up(lambda[lane] * up(norm * norm)),
                 m2 = square(back, lane, lambda[lane] * lambda[lane] * kUp).high;
    const double paid =
        0.5 * spent(square(a, lane, 1).high, square(there, lane, lambda[lane]), m2, h, set.eps);
    // Each term is off by 8 u of its part of the magnitude, and two sums have twice as many terms as
    // features.
    const double rounding = up(magnitude[lane] * 4 * gamma(2.0 * size + 16)) + size * kTiny;
    const double bound = below(below(linear[lane] - rounding) - up(paid));
    if (bound > minimum[lane]) minimum[lane] = bound;
  }
}

}  // namespace bulwark::proof
