#include "attack/feasible.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

namespace bulwark {
namespace {

/// ||x - center||_p, or infinity where it is not a number.
double distance(InputKind kind, const double* x, const double* center, int size) {
  double sum = 0;
  for (int i = 0; i < size; ++i) {
    const double dx = x[i] - center[i];
    sum += kind == InputKind::l1 ? std::abs(dx) : dx * dx;
  }
  const double norm = kind == InputKind::l1 ? sum : std::sqrt(sum);
  return std::isnan(norm) ? HUGE_VAL : norm;
}

/// The greatest double that is not above a + b (the rounded sum's error is exact: Knuth's TwoSum).
double sumDown(double a, double b) {
  const double sum = a + b, rest = sum - a;
  return (a - (sum - rest)) + (b - rest) < 0 ? std::nextafter(sum, -HUGE_VAL) : sum;
}

}  // namespace

void feasiblePoint(const Region& region, int image, int inputSize, const float* deviation, double* point) {
  const size_t offset = static_cast<size_t>(image) * inputSize;
  const double* center = region.center.data() + offset;
  const bool boxed = !region.lower.empty();
  // The box holds the centre, so clamping only ever brings a point nearer to it.
  const auto place = [&](double scale) {
    for (int i = 0; i < inputSize; ++i) {
      point[i] = center[i] + scale * deviation[i];
      if (boxed) point[i] = std::clamp(point[i], region.lower[offset + i], region.upper[offset + i]);
    }
  };
  place(1);
  if (region.kind == InputKind::box) {
    if (region.eps.empty()) return;
    const double eps = region.eps[image];
    for (int i = 0; i < inputSize; ++i)
      point[i] = std::clamp(point[i], -sumDown(-center[i], eps), sumDown(center[i], eps));
    return;
  }

  const double allowed = region.eps[image] * (1 - 1e-12 - 4e-16 * inputSize);
  double norm = distance(region.kind, point, center, inputSize);
  double scale = 1;
  // One or two rounds, unless eps is so small beside the centre that adding them rounds.
  for (double spare = 1e-14; norm > allowed && spare < 1; spare *= 8) {
    scale *= (1 - spare) * allowed / norm;
    place(scale);
    norm = distance(region.kind, point, center, inputSize);
  }
  if (!(norm <= allowed)) std::copy(center, center + inputSize, point);
}

void requireCentersInside(const Region& region, int first, int count, int inputSize) {
  if (region.lower.empty()) return;
  for (int image = first; image < first + count; ++image)
    for (int i = 0; i < inputSize; ++i) {
      const size_t at = static_cast<size_t>(image) * inputSize + i;
      if (region.lower[at] <= region.center[at] && region.center[at] <= region.upper[at]) continue;
      throw std::invalid_argument("image " + std::to_string(image) + ", feature " + std::to_string(i) +
                                  ": centre " + std::to_string(region.center[at]) + " is outside its box [" +
                                  std::to_string(region.lower[at]) + ", " + std::to_string(region.upper[at]) +
                                  "]");
    }
}

}  // namespace bulwark
