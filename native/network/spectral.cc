#include "network/spectral.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

#include "network/circular_embedding.h"
#include "network/conv_walk.h"
#include "network/eigenvalue_bound.h"
#include "network/gram.h"

namespace bulwark {
namespace {

/// Beyond a few seconds of factorisation or 400 MB for the matrix and its factor, take frequency blocks.
constexpr double mostOperations = 5e10, mostEntries = 2.5e7;

constexpr double infinity = std::numeric_limits<double>::infinity();

void requireFinite(const std::vector<double>& values, const char* what) {
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i])) continue;
    throw std::invalid_argument(std::string("spectral norm: ") + what + "[" + std::to_string(i) + "] is " +
                                std::to_string(values[i]) + ", expected a finite number");
  }
}

double largestMagnitude(const std::vector<double>& values) {
  double largest = 0;
  for (const double value : values) largest = std::max(largest, std::fabs(value));
  return largest;
}

/// Weights times the power of two that brings the largest into [0.5, 1), and how to undo it.
struct Scaled {
  std::vector<double> weight;
  int exponent;

  explicit Scaled(const std::vector<double>& original) : weight(original) {
    std::frexp(largestMagnitude(original), &exponent);
    for (double& value : weight) value = std::ldexp(value, -exponent);
  }
  double restore(double norm) const { return std::nextafter(std::ldexp(norm, exponent), infinity); }
};

double rootUp(double square) { return std::nextafter(std::sqrt(square), infinity); }

double bound(const Linear& linear, const Checkpoint& checkpoint) {
  requireFinite(linear.weight, "weight");
  if (largestMagnitude(linear.weight) == 0) return 0;
  const Scaled scaled(linear.weight);
  const Gram gram = matrixGram(scaled.weight.data(), linear.out, linear.in, checkpoint);
  return scaled.restore(rootUp(eigenvalueBound(gram.matrix, gram.error, 0, checkpoint)));
}

/// One group as a convolution of its own, without the taps that only ever fall on padding.
Conv extractGroup(const Conv& conv, int group) {
  const int taps = tapCount(conv);
  std::vector<char> used(taps);
  forEachTap(conv, [&](int, int, int tap) { used[tap] = 1; });
  Conv part = conv;
  part.group = 1;
  part.in.channels /= conv.group;
  part.out.channels /= conv.group;
  const size_t count = conv.weight.size() / conv.group;
  part.weight.resize(count);
  for (size_t w = 0; w < count; ++w) part.weight[w] = used[w % taps] ? conv.weight[group * count + w] : 0;
  return part;
}

double boundGroup(Conv part, const ConvGramPlan& plan, bool exact, const ParallelFor& parallel,
                  const Checkpoint& checkpoint) {
  if (largestMagnitude(part.weight) == 0) return 0;
  const Scaled scaled(part.weight);
  part.weight = scaled.weight;
  if (!exact) return scaled.restore(circularNormBound(part, parallel, checkpoint));
  const Gram gram = convGram(part, plan, checkpoint);
  return scaled.restore(rootUp(eigenvalueBound(gram.matrix, gram.error, 0, checkpoint)));
}

double bound(const Conv& conv, const ParallelFor& parallel, const Checkpoint& checkpoint) {
  requireFinite(conv.weight, "weight");
  const ConvGramPlan plan = planConvGram(extractGroup(conv, 0));
  const bool exact = plan.operations() <= mostOperations && plan.entries() <= mostEntries;
  std::vector<double> bounds(conv.group);
  if (exact) {
    parallel(conv.group, [&](int g) {
      bounds[g] = boundGroup(extractGroup(conv, g), plan, exact, serialFor, checkpoint);
    });
  } else {
    for (int g = 0; g < conv.group; ++g)
      bounds[g] = boundGroup(extractGroup(conv, g), plan, exact, parallel, checkpoint);
  }
  return *std::max_element(bounds.begin(), bounds.end());
}

double bound(const Scale& scale) {
  requireFinite(scale.scale, "scale");
  return largestMagnitude(scale.scale);
}

double bound(const Index& index) {
  std::vector<int> copies(index.in);
  for (const int32_t source : index.source) {
    if (source >= 0) ++copies[source];
  }
  const int most = copies.empty() ? 0 : *std::max_element(copies.begin(), copies.end());
  const double root = std::sqrt(most);
  return root * root >= most ? root : std::nextafter(root, infinity);
}

}  // namespace

void serialFor(int count, const std::function<void(int)>& body) {
  for (int i = 0; i < count; ++i) body(i);
}

double spectralNormBound(const Affine& affine, const ParallelFor& parallel, const Checkpoint& checkpoint) {
  if (const auto* linear = std::get_if<Linear>(&affine)) return bound(*linear, checkpoint);
  if (const auto* conv = std::get_if<Conv>(&affine)) return bound(*conv, parallel, checkpoint);
  if (const auto* scale = std::get_if<Scale>(&affine)) return bound(*scale);
  return bound(std::get<Index>(affine));
}

}  // namespace bulwark
