#include "weighted/lanczos.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace bulwark::weighted {
namespace {

/// A symmetric tridiagonal matrix, of one lane.
struct Tridiagonal {
  std::vector<double> diagonal, beside;
};

/// The largest eigenvalue, from above: no pivot of theta - T is negative there.
double largestOf(const Tridiagonal& t) {
  double low = *std::max_element(t.diagonal.begin(), t.diagonal.end()), high = low;
  for (size_t i = 0; i < t.diagonal.size(); ++i) {
    const double before = i > 0 ? t.beside[i - 1] : 0, after = i < t.beside.size() ? t.beside[i] : 0;
    high = std::max(high, t.diagonal[i] + before + after);
  }
  for (int step = 0; step < 60 && high - low > 1e-13 * high; ++step) {
    const double middle = 0.5 * (low + high);
    double pivot = middle - t.diagonal[0];
    bool above = pivot > 0;
    for (size_t i = 1; above && i < t.diagonal.size(); ++i) {
      pivot = middle - t.diagonal[i] - t.beside[i - 1] * t.beside[i - 1] / pivot;
      above = pivot > 0;
    }
    (above ? high : low) = middle;
  }
  return high;
}

/// Its eigenvector by the three-term recurrence, from the last entry up: the first ones are the largest where
/// the start was close, and what theta is off by then dies out.
std::vector<double> vectorOf(const Tridiagonal& t, double theta) {
  std::vector<double> y(t.diagonal.size(), 1);
  for (size_t i = y.size() - 1; i-- > 0;) {
    const double after = i + 2 < y.size() ? t.beside[i + 1] * y[i + 2] : 0;
    y[i] = ((theta - t.diagonal[i + 1]) * y[i + 1] - after) / t.beside[i];
  }
  return y;
}

PerLane normalise(Lanes& x) {
  PerLane norm = dot(x, x), inverse;
  for (size_t lane = 0; lane < kLanes; ++lane) {
    norm[lane] = std::sqrt(norm[lane]);
    inverse[lane] = norm[lane] > 0 ? 1 / norm[lane] : 0;
  }
  for (size_t i = 0; i < x.size(); ++i) x[i] *= inverse[i % kLanes];
  return norm;
}

}  // namespace

PerLane largestEigenvalue(const Product& product, int steps, Lanes& vector) {
  normalise(vector);
  std::vector<Lanes> basis = {vector};
  Tridiagonal matrix[kLanes];
  bool closed[kLanes] = {};
  for (int step = 0; step < std::min(steps, featuresOf(vector)); ++step) {
    Lanes next(vector.size());
    product(basis.back(), next);
    const PerLane along = dot(basis.back(), next);
    PerLane less, lessBefore;
    for (size_t lane = 0; lane < kLanes; ++lane) {
      if (!closed[lane]) matrix[lane].diagonal.push_back(along[lane]);
      less[lane] = -along[lane];
      if (step > 0 && !closed[lane]) lessBefore[lane] = -matrix[lane].beside.back();
    }
    addScaled(basis.back(), less, next);
    if (step > 0) addScaled(basis[basis.size() - 2], lessBefore, next);
    const PerLane beside = normalise(next);
    if (step + 1 == std::min(steps, featuresOf(vector))) break;
    for (size_t lane = 0; lane < kLanes; ++lane) {
      closed[lane] |= !(beside[lane] > 1e-12 * std::fabs(matrix[lane].diagonal[0]));
      if (!closed[lane]) matrix[lane].beside.push_back(beside[lane]);
    }
    basis.push_back(std::move(next));
  }
  std::fill(vector.begin(), vector.end(), 0.0);
  PerLane value;
  std::vector<PerLane> weights(basis.size());
  for (size_t lane = 0; lane < kLanes; ++lane) {
    value[lane] = largestOf(matrix[lane]);
    const std::vector<double> y = vectorOf(matrix[lane], value[lane]);
    for (size_t j = 0; j < y.size(); ++j) weights[j][lane] = y[j];
  }
  for (size_t j = 0; j < basis.size(); ++j) addScaled(basis[j], weights[j], vector);
  normalise(vector);
  return value;
}

}  // namespace bulwark::weighted
