#include "selftest/reference.h"

#include <algorithm>
#include <cmath>
#include <variant>

namespace bulwark::selftest {
namespace {

using Visit = std::function<void(int, int, double)>;

void visitWeights(const Linear& linear, const Visit& visit) {
  for (int o = 0; o < linear.out; ++o)
    for (int i = 0; i < linear.in; ++i) visit(o, i, linear.weight[static_cast<size_t>(o) * linear.in + i]);
}

void visitWeights(const Conv& conv, const Visit& visit) {
  const int inputs = conv.in.channels / conv.group, outputs = conv.out.channels / conv.group;
  for (int o = 0; o < conv.out.channels; ++o)
    for (int y = 0; y < conv.out.height; ++y)
      for (int x = 0; x < conv.out.width; ++x)
        for (int i = 0; i < inputs; ++i)
          for (int ky = 0; ky < conv.kernel[0]; ++ky)
            for (int kx = 0; kx < conv.kernel[1]; ++kx) {
              const int row = y * conv.strides[0] - conv.pads[0] + ky * conv.dilations[0];
              const int column = x * conv.strides[1] - conv.pads[1] + kx * conv.dilations[1];
              if (row < 0 || row >= conv.in.height || column < 0 || column >= conv.in.width) continue;
              const int channel = o / outputs * inputs + i;
              visit(
                  (y * conv.out.width + x) * conv.out.channels + o,
                  (row * conv.in.width + column) * conv.in.channels + channel,
                  conv.weight[((static_cast<size_t>(o) * inputs + i) * conv.kernel[0] + ky) * conv.kernel[1] +
                              kx]);
            }
}

void visitWeights(const Scale& scale, const Visit& visit) {
  for (size_t i = 0; i < scale.scale.size(); ++i)
    visit(static_cast<int>(i), static_cast<int>(i), scale.scale[i]);
}

void visitWeights(const Index& index, const Visit& visit) {
  for (size_t i = 0; i < index.source.size(); ++i)
    if (index.source[i] >= 0) visit(static_cast<int>(i), index.source[i], 1.0);
}

}  // namespace

void eachWeight(const Affine& affine, const Visit& visit) {
  std::visit([&](const auto& kind) { visitWeights(kind, visit); }, affine);
}

int inputFeatures(const Affine& affine) {
  if (const auto* linear = std::get_if<Linear>(&affine)) return linear->in;
  if (const auto* conv = std::get_if<Conv>(&affine)) return conv->in.size();
  if (const auto* scale = std::get_if<Scale>(&affine)) return static_cast<int>(scale->scale.size());
  return std::get<Index>(affine).in;
}

int outputFeatures(const Affine& affine) {
  if (const auto* linear = std::get_if<Linear>(&affine)) return linear->out;
  if (const auto* conv = std::get_if<Conv>(&affine)) return conv->out.size();
  if (const auto* scale = std::get_if<Scale>(&affine)) return static_cast<int>(scale->scale.size());
  return static_cast<int>(std::get<Index>(affine).source.size());
}

double Neuron::objective(double dz) const {
  const double change = std::max(zhat + dz, 0.0) - std::max(zhat, 0.0);
  return c * change - v * dz + 0.5 * (lambda + payment) * dz * dz - 0.5 * payment * change * change;
}

double Neuron::gridMinimum(int points) const {
  double best = std::min(objective(lower), objective(upper));
  if (-zhat >= lower && -zhat <= upper) best = std::min(best, objective(-zhat));
  for (int i = 1; i < points; ++i) best = std::min(best, objective(lower + (upper - lower) * i / points));
  return best;
}

double crownSlope(double zhat, double lower, double upper, double c) {
  const double l = zhat + lower, u = zhat + upper;
  if (l >= 0) return 1;
  if (u <= 0) return 0;
  if (c < 0) return u / (u - l);
  return u > -l ? 1 : 0;
}

bool followsBox(SlopeRule rule, double lambda, double zhat, double lower, double upper) {
  return rule == SlopeRule::box || (lambda == 0 && zhat + lower != 0 && zhat + upper != 0);
}

double slopeOf(SlopeRule rule, double lambda, double zhat, double lower, double upper, double c,
               double chosen) {
  if (!followsBox(rule, lambda, zhat, lower, upper)) return chosen;
  const bool unstable = zhat + lower < 0 && zhat + upper > 0;
  return unstable && c >= 0 ? chosen : crownSlope(zhat, lower, upper, c);
}

double clippedL2Minimum(const std::vector<double>& a, const std::vector<double>& lower,
                        const std::vector<double>& upper, double eps) {
  const auto point = [&](size_t i, double lambda) {
    if (a[i] == 0) return 0.0;
    const double free = lambda > 0 ? -a[i] / lambda : (a[i] > 0 ? lower[i] : upper[i]);
    return std::clamp(free, lower[i], upper[i]);
  };
  const auto norm = [&](double lambda) {
    double sum = 0;
    for (size_t i = 0; i < a.size(); ++i) sum += point(i, lambda) * point(i, lambda);
    return std::sqrt(sum);
  };
  double low = 0, high = 1e-6;
  if (norm(0) > eps) {
    while (norm(high) > eps) high *= 2;
    for (int step = 0; step < 200; ++step) {
      const double middle = 0.5 * (low + high);
      (norm(middle) > eps ? low : high) = middle;
    }
  } else {
    high = 0;
  }
  double value = 0;
  for (size_t i = 0; i < a.size(); ++i) value += a[i] * point(i, high);
  return value;
}

double clippedL1Minimum(const std::vector<double>& a, const std::vector<double>& lower,
                        const std::vector<double>& upper, double eps) {
  // The dual: max over t >= 0 of -t eps - sum of room max(|a| - t, 0); concave, its breakpoints are the |a|.
  const auto dual = [&](double t) {
    double value = -t * eps;
    for (size_t i = 0; i < a.size(); ++i)
      value -= (a[i] > 0 ? -lower[i] : upper[i]) * std::max(std::fabs(a[i]) - t, 0.0);
    return value;
  };
  double best = dual(0);
  for (const double slope : a) best = std::max(best, dual(std::fabs(slope)));
  return best;
}

}  // namespace bulwark::selftest
