#include "network/eigenvalue_bound.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace bulwark {
namespace {

/// The largest eigenvalue of a tridiagonal matrix, by bisection on the number of negative pivots.
double largestOfTridiagonal(const std::vector<double>& diagonal, const std::vector<double>& beside) {
  double low = *std::max_element(diagonal.begin(), diagonal.end()), high = low;
  for (size_t i = 0; i < diagonal.size(); ++i) {
    const double before = i > 0 ? beside[i - 1] : 0, after = i + 1 < diagonal.size() ? beside[i] : 0;
    high = std::max(high, diagonal[i] + before + after);
  }
  while (high - low > 1e-12 * high) {
    const double middle = 0.5 * (low + high);
    double pivot = middle - diagonal[0];
    bool above = pivot > 0;
    for (size_t i = 1; above && i < diagonal.size(); ++i) {
      pivot = middle - diagonal[i] - beside[i - 1] * beside[i - 1] / pivot;
      above = pivot > 0;
    }
    (above ? high : low) = middle;
  }
  return low;
}

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace

double estimateLargestEigenvalue(const SymmetricBand& gram, const Checkpoint& checkpoint) {
  constexpr int mostSteps = 120, stride = 8;
  constexpr double converged = 1e-9;
  std::vector<double> now(gram.paddedSize()), before(now.size()), next(now.size());
  uint64_t state = 0x9e3779b97f4a7c15u;  // any fixed start that no eigenvector is orthogonal to
  for (int i = 0; i < gram.size(); ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    now[i] = 0.5 + static_cast<double>(state >> 11) * 0x1p-53;
    if (state >> 63) now[i] = -now[i];
  }
  const double start = std::sqrt(dot(now, now));
  for (double& value : now) value /= start;

  std::vector<double> diagonal, beside;
  double estimate = 0;
  const int steps = std::min(gram.size(), mostSteps);
  for (int step = 1; step <= steps; ++step) {
    checkpoint();
    gram.multiply(now.data(), next.data());
    diagonal.push_back(dot(now, next));
    for (size_t i = 0; i < next.size(); ++i) {
      next[i] -= diagonal.back() * now[i] + (beside.empty() ? 0 : beside.back() * before[i]);
    }
    beside.push_back(std::sqrt(dot(next, next)));
    const bool closed = beside.back() <= 1e-14 * diagonal[0];
    if (closed || step == steps || step % stride == 0) {
      const double last = std::exchange(estimate, largestOfTridiagonal(diagonal, beside));
      if (closed || estimate - last <= converged * estimate) break;
    }
    for (double& value : next) value /= beside.back();
    std::swap(before, now);
    std::swap(now, next);
  }
  return estimate;
}

double eigenvalueBound(const SymmetricBand& gram, double error, double floor, const Checkpoint& checkpoint) {
  constexpr double up = 1 + 8 * std::numeric_limits<double>::epsilon();
  const double n = gram.paddedSize();
  // Gershgorin; sums of at most N positive numbers are off by less than the factor below.
  const double rowSum = gram.largestRowSum() * (1 + n * std::numeric_limits<double>::epsilon());
  if (rowSum <= floor) return (floor + error) * up;
  const double rounding = (n + 8) * n * std::numeric_limits<double>::epsilon();
  if (floor > 0 && SymmetricBand(gram).factorShifted(floor, checkpoint))
    return (floor * (1 + rounding) + error) * up;
  const double estimate = std::max(estimateLargestEigenvalue(gram, checkpoint), floor);
  for (double slack = 1e-7; slack < 1; slack *= 10) {
    const double mu = estimate * (1 + slack);
    if (mu >= rowSum) break;
    if (SymmetricBand(gram).factorShifted(mu, checkpoint)) return (mu * (1 + rounding) + error) * up;
  }
  return (rowSum + error) * up;
}

}  // namespace bulwark
