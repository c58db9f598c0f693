#include "search/cuts.h"

#include <algorithm>
#include <cmath>

namespace bulwark {
namespace {

constexpr double kUnit = 0x1p-53;
/// Subgradient steps for the weights of a combination.
constexpr int kSteps = 12;

double minimum(const AffineBound& bound, const Box& box) {
  double sum = bound.offset;
  for (size_t i = 0; i < bound.slope.size(); ++i)
    sum += bound.slope[i] * (bound.slope[i] > 0 ? box.lower[i] : box.upper[i]);
  return sum;
}

/// The sum of absolute values in slope^T x + offset, at most, on the box.
double magnitudeOf(const AffineBound& bound, const Box& box) {
  double sum = std::fabs(bound.offset);
  for (size_t i = 0; i < bound.slope.size(); ++i)
    sum += std::fabs(bound.slope[i]) * std::max(std::fabs(box.lower[i]), std::fabs(box.upper[i]));
  return sum;
}

/// A lower bound of the function on the box that holds in exact arithmetic. `terms` is how many rounded
/// operations may stand behind one coefficient, `magnitude` bounds the sum of the absolute values that were
/// added up.
double rigorousMinimum(const AffineBound& bound, const Box& box, double magnitude, size_t terms) {
  return minimum(bound, box) - magnitude * 2.02 * static_cast<double>(box.lower.size() + terms + 16) * kUnit;
}

AffineBound combine(std::span<const AffineBound> rows, const std::vector<double>& weights) {
  AffineBound sum{std::vector<double>(rows[0].slope.size()), 0};
  for (size_t j = 0; j < rows.size(); ++j) {
    for (size_t i = 0; i < sum.slope.size(); ++i) sum.slope[i] += weights[j] * rows[j].slope[i];
    sum.offset += weights[j] * rows[j].offset;
  }
  return sum;
}

double valueAt(const AffineBound& bound, const std::vector<double>& x) {
  double sum = bound.offset;
  for (size_t i = 0; i < x.size(); ++i) sum += bound.slope[i] * x[i];
  return sum;
}

}  // namespace

std::vector<double> minimiser(const AffineBound& bound, const Box& box) {
  std::vector<double> x;
  for (size_t i = 0; i < bound.slope.size(); ++i)
    x.push_back(bound.slope[i] > 0 ? box.lower[i] : box.upper[i]);
  return x;
}

AffineBound bestCombination(std::span<const AffineBound> rows, const Box& box) {
  if (rows.size() == 1) return rows[0];
  std::vector<double> scores, weights(rows.size(), 1.0 / static_cast<double>(rows.size()));
  for (const AffineBound& row : rows) scores.push_back(minimum(row, box));
  const auto first = std::max_element(scores.begin(), scores.end());
  AffineBound best = rows[first - scores.begin()];
  double bestScore = *first, scale = 0x1p-1000;
  for (const double score : scores) scale = std::max(scale, std::fabs(score));
  for (int step = 0; step < kSteps; ++step) {
    AffineBound combined = combine(rows, weights);
    const double score = minimum(combined, box);
    // Exponentiated subgradient: the rows' values at the minimiser are the gradient in the weights.
    const std::vector<double> x = minimiser(combined, box);
    if (score > bestScore) {
      best = std::move(combined);
      bestScore = score;
    }
    const double rate = 4 / std::sqrt(step + 1.0) / scale;
    double total = 0;
    for (size_t j = 0; j < rows.size(); ++j)
      total += weights[j] *= std::exp(std::min(rate * valueAt(rows[j], x), 20.0));
    if (!(total > 0)) break;
    for (double& weight : weights) weight /= total;
  }
  return best;
}

bool clip(std::span<const AffineBound> rows, const AffineBound& combination, Box& box) {
  double magnitude = 0;
  for (const AffineBound& row : rows) magnitude = std::max(magnitude, magnitudeOf(row, box));
  const Box whole = box;
  const auto cut = [&](const AffineBound& bound) {
    const double least = rigorousMinimum(bound, whole, magnitude, rows.size());
    if (least > 0) return false;
    if (!std::isfinite(least)) return true;
    for (size_t i = 0; i < whole.lower.size(); ++i) {
      const double low = whole.lower[i], high = whole.upper[i], slope = bound.slope[i];
      const double reach = -least / std::fabs(slope);
      if (!(reach < high - low)) continue;
      // The quotient and the sum are rounded once each; a few units outward cover both.
      const double slack = 4 * kUnit * (std::fabs(low) + std::fabs(high) + reach);
      if (slope > 0) {
        box.upper[i] = std::min(box.upper[i], low + reach + slack);
      } else {
        box.lower[i] = std::max(box.lower[i], high - reach - slack);
      }
      if (box.lower[i] > box.upper[i]) return false;
    }
    return true;
  };
  for (const AffineBound& row : rows) {
    if (!cut(row)) return false;
  }
  return cut(combination);
}

void enclose(Box& box, const Box& other) {
  for (size_t i = 0; i < box.lower.size(); ++i) {
    box.lower[i] = std::min(box.lower[i], other.lower[i]);
    box.upper[i] = std::max(box.upper[i], other.upper[i]);
  }
}

}  // namespace bulwark
