#include "proof/coupling.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "proof/rounding.h"

namespace bulwark::proof {
namespace {

/// More than the square root of a sum of `count` computed squares can be off by, relative.
double normSlack(int count) { return up(gamma(count + 8.0)); }

/// Vectors in the lanes of a block and, lane by lane, how far in norm they may be from what they stand for.
struct Lanes {
  Buffers::Buffer values;
  int size = 0;
  double norm[kLanes] = {};  // of the values, rounded up
  double error[kLanes] = {};

  Lanes(int features, Buffers& buffers)
      : values(buffers.take(static_cast<size_t>(features) * kLanes)), size(features) {}
  void measure(const KernelTable& kernels) {
    alignas(64) double squares[kLanes];
    kernels.squares(size, values.get(), squares);
    for (int lane = 0; lane < kLanes; ++lane)
      norm[lane] = up(std::sqrt(squares[lane]) * (1 + normSlack(size)) + size * kTiny);
  }
};

/// Blocks through an affine node's operator, without its bias, or through the adjoint.
std::vector<Lanes> passed(const ProofNetwork& network, const KernelTable& kernels, int node, bool forward,
                          const std::vector<Lanes>& blocks, Buffers& buffers) {
  const Operator& op = network.operatorOf(node);
  const int size = network.size(forward ? node : network.network().nodes[node].inputs[0]);
  const auto count = static_cast<int>(blocks.size());
  std::vector<Lanes> out;
  const double* from[kBlocks];
  double* to[kBlocks];
  for (const Lanes& x : blocks) {
    from[out.size()] = x.values.get();
    out.emplace_back(size, buffers);
    to[out.size() - 1] = out.back().values.get();
  }
  if (forward) {
    op.forward(kernels, count, from, to);
  } else {
    op.adjoint(kernels, count, from, to);
  }
  const double rounding = gamma((forward ? op.forwardTerms() : op.adjointTerms()) + 4.0);
  for (size_t block = 0; block < out.size(); ++block) {
    const Lanes& x = blocks[block];
    Lanes& y = out[block];
    y.measure(kernels);
    for (int lane = 0; lane < kLanes; ++lane) {
      const double moved = rounding * x.norm[lane] + x.error[lane];
      // A term that underflows is below the smallest normal number, and sums have fewer terms than inputs.
      y.error[lane] = up(network.frobenius(node) * moved + static_cast<double>(y.size) * x.size * kTiny);
    }
  }
  return out;
}

/// Lane by lane, a vector times the weights of its features, or times their roots.
Lanes scaled(const KernelTable& kernels, const Lanes& x, const double* weights, bool roots,
             Buffers& buffers) {
  Lanes y(x.size, buffers);
  double largest[kLanes] = {};
  for (int i = 0; i < x.size; ++i) {
    for (int lane = 0; lane < kLanes; ++lane) {
      const size_t at = static_cast<size_t>(i) * kLanes + lane;
      const double factor = roots ? std::sqrt(weights[at]) : weights[at];
      y.values[at] = factor * x.values[at];
      largest[lane] = std::max(largest[lane], factor);
    }
  }
  y.measure(kernels);
  for (int lane = 0; lane < kLanes; ++lane) {
    // A factor and a product: 2 u of each entry.
    y.error[lane] = up(largest[lane] * (x.error[lane] + 4 * kUnit * x.norm[lane]) + x.size * kTiny);
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

/// The sums of a whole or clipped ball's linear part: see coupling.h.
struct Linear {
  alignas(64) double value[kLanes], magnitude[kLanes];
};

/// Splits g: the part that the ball pays becomes `a`.
Linear splitOff(const KernelTable& kernels, const CoupledRows& rows, Lanes& a) {
  const LaneImages& images = *rows.images;
  const auto values = [&](std::vector<double> InputSet::* member) {
    return images.values(
        [&](const ImageFacts& image) -> const std::vector<double>& { return image.input().*member; });
  };
  const LaneValues center = values(&InputSet::center), lower = values(&InputSet::lower),
                   upper = values(&InputSet::upper), reach = values(&InputSet::reach);
  alignas(64) double lambda[kLanes], inverse[kLanes];
  for (int lane = 0; lane < kLanes; ++lane) {
    lambda[lane] = rows.inputLambda[lane];
    inverse[lane] = 1 / lambda[lane];
  }
  Linear linear;
  kernels.split({a.size, images.own(), images[0].input().clipped, rows.g, a.values.get(), lambda, inverse,
                 center.data, lower.data, upper.data, reach.data, linear.value, linear.magnitude});
  a.measure(kernels);
  return linear;
}

}  // namespace

void coupledMinimum(const ProofNetwork& network, const KernelTable& kernels, std::span<CoupledRows> blocks,
                    Buffers& buffers) {
  const int size = network.size(0);
  std::vector<Lanes> a;
  std::vector<Linear> linear;
  for (const CoupledRows& rows : blocks) {
    a.emplace_back(size, buffers);
    linear.push_back(splitOff(kernels, rows, a.back()));
  }
  const std::vector<int>& path = blocks[0].chain.path;
  std::vector<Lanes> there = passed(network, kernels, path[0], true, a, buffers);
  for (size_t i = 1; i < path.size(); ++i) there = passed(network, kernels, path[i], true, there, buffers);
  std::vector<Lanes> weighed;
  for (size_t block = 0; blocks[0].weights && block < blocks.size(); ++block) {
    weighed.push_back(scaled(kernels, there[block], blocks[block].weights, false, buffers));
    there[block] = scaled(kernels, there[block], blocks[block].weights, true, buffers);
  }
  std::vector<Lanes> back =
      passed(network, kernels, path.back(), false, weighed.empty() ? there : weighed, buffers);
  for (size_t i = path.size() - 1; i-- > 0;) back = passed(network, kernels, path[i], false, back, buffers);
  for (size_t block = 0; block < blocks.size(); ++block) {
    CoupledRows& rows = blocks[block];
    for (int lane = 0; lane < kLanes; ++lane) {
      const InputSet& set = (*rows.images)[lane].input();
      const double lambda = rows.lambda[lane];
      rows.minimum[lane] = -kInfinity;
      if (!(lambda > 0) || (set.clipped && !(rows.inputLambda[lane] > 0))) continue;
      const double m2 = square(back[block], lane, lambda * lambda * kUp).high;
      const double paid = 0.5 * spent(square(a[block], lane, 1).high, square(there[block], lane, lambda), m2,
                                      up(lambda * rows.square[lane]), set.eps);
      // Each term is off by 8 u of its part of the magnitude, and two sums have twice as many terms as
      // features.
      const double rounding = up(linear[block].magnitude[lane] * 4 * gamma(2.0 * size + 16)) + size * kTiny;
      const double bound = below(below(linear[block].value[lane] - rounding) - up(paid));
      if (bound > -kInfinity) rows.minimum[lane] = below(bound - rows.rest[lane]);  // not NaN
    }
  }
}

}  // namespace bulwark::proof
