#include "network/norms.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "network/conv_walk.h"

namespace bulwark {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// result[(feature) * taps + tap] = fold over the input channels of one tap of one output channel.
template <class Fold>
std::vector<double> perTap(const Conv& conv, Fold&& fold) {
  const int taps = tapCount(conv), in = conv.in.channels / conv.group;
  std::vector<double> result(static_cast<size_t>(conv.out.channels) * taps);
  for (int o = 0; o < conv.out.channels; ++o) {
    for (int i = 0; i < in; ++i) {
      const double* weight = conv.weight.data() + (static_cast<size_t>(o) * in + i) * taps;
      for (int tap = 0; tap < taps; ++tap) fold(result[static_cast<size_t>(o) * taps + tap], weight[tap]);
    }
  }
  return result;
}

/// Folds the taps that fall inside the map, feature by feature.
template <class Fold>
std::vector<double> perFeature(const Conv& conv, const std::vector<double>& tapValues, Fold&& fold) {
  const int taps = tapCount(conv);
  std::vector<double> result(conv.out.size());
  forEachTap(conv, [&](int outPixel, int, int tap) {
    for (int o = 0; o < conv.out.channels; ++o) {
      fold(result[static_cast<size_t>(outPixel) * conv.out.channels + o],
           tapValues[static_cast<size_t>(o) * taps + tap]);
    }
  });
  return result;
}

/// Roots of sums of `terms` squares, rounded up. Squares were taken of weights scaled by 2^-exponent; what
/// underflowed then is less than the smallest number per term. Rows of zeros stay zero.
void rootsUp(std::vector<double>& squares, const std::vector<double>& maxima, int terms, int exponent) {
  const double up = 1 + (terms + 8.0) * std::numeric_limits<double>::epsilon();
  const double lost = terms * std::numeric_limits<double>::denorm_min();
  for (size_t i = 0; i < squares.size(); ++i) {
    if (maxima[i] == 0) continue;
    squares[i] = std::nextafter(std::ldexp(std::sqrt((squares[i] + lost) * up) * up, exponent), infinity);
  }
}

int exponentOf(const std::vector<double>& values) {
  double largest = 0;
  for (const double value : values) largest = std::max(largest, std::fabs(value));
  int exponent = 0;
  std::frexp(largest, &exponent);
  return exponent;
}

std::vector<double> magnitudes(const Scale& scale) {
  std::vector<double> result = scale.scale;
  for (double& value : result) value = std::fabs(value);
  return result;
}

std::vector<double> ones(const Index& index) {
  std::vector<double> result;
  for (const int32_t source : index.source) result.push_back(source < 0 ? 0 : 1);
  return result;
}

}  // namespace

std::vector<double> rowNorms(const Affine& affine) {
  if (const auto* scale = std::get_if<Scale>(&affine)) return magnitudes(*scale);
  if (const auto* index = std::get_if<Index>(&affine)) return ones(*index);
  if (const auto* linear = std::get_if<Linear>(&affine)) {
    const int exponent = exponentOf(linear->weight);
    std::vector<double> result(linear->out);
    const double* weight = linear->weight.data();
    for (double& sum : result) {
      for (int i = 0; i < linear->in; ++i) {
        const double value = std::ldexp(*weight++, -exponent);
        sum += value * value;
      }
    }
    rootsUp(result, rowMaxima(affine), linear->in, exponent);
    return result;
  }
  const Conv& conv = std::get<Conv>(affine);
  const int exponent = exponentOf(conv.weight);
  const auto taps = perTap(conv, [exponent](double& sum, double weight) {
    const double value = std::ldexp(weight, -exponent);
    sum += value * value;
  });
  std::vector<double> result = perFeature(conv, taps, [](double& sum, double value) { sum += value; });
  rootsUp(result, rowMaxima(affine), conv.in.channels / conv.group + tapCount(conv), exponent);
  return result;
}

std::vector<double> rowMaxima(const Affine& affine) {
  if (const auto* scale = std::get_if<Scale>(&affine)) return magnitudes(*scale);
  if (const auto* index = std::get_if<Index>(&affine)) return ones(*index);
  const auto fold = [](double& most, double value) { most = std::max(most, std::fabs(value)); };
  if (const auto* linear = std::get_if<Linear>(&affine)) {
    std::vector<double> result(linear->out);
    const double* weight = linear->weight.data();
    for (double& most : result) {
      for (int i = 0; i < linear->in; ++i) fold(most, *weight++);
    }
    return result;
  }
  const Conv& conv = std::get<Conv>(affine);
  return perFeature(conv, perTap(conv, fold), fold);
}

}  // namespace bulwark
