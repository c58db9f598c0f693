#include "network/circular_embedding.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <utility>

#include "network/conv_walk.h"
#include "network/eigenvalue_bound.h"
#include "network/gram.h"

namespace bulwark {
namespace {

using Pair = std::array<int, 2>;

/// Along one axis: tap k of output o reads phase `phase[k]` of grid cell o + `shift[k]`.
struct Axis {
  int cells;  // m
  std::vector<int> shift, phase;
};

Axis makeAxis(int in, int out, int kernel, int stride, int dilation, int pad) {
  Axis axis;
  for (int k = 0; k < kernel; ++k) {
    const int offset = k * dilation - pad;
    const int phase = ((offset % stride) + stride) % stride;
    axis.phase.push_back(phase);
    axis.shift.push_back((offset - phase) / stride);
  }
  // Positions read run from -pad to reach - 1; those outside [0, in) must not wrap onto [0, in).
  const int reach = stride * (out - 1) + dilation * (kernel - 1) - pad + 1;
  const int pixels = std::max(std::min(in, reach) + pad, reach);
  axis.cells = std::max(out, (pixels + stride - 1) / stride);
  return axis;
}

class Embedding {
 public:
  explicit Embedding(const Conv& conv)
      : in_(conv.in.channels), out_(conv.out.channels), taps_(tapCount(conv)), weight_(conv.weight.data()) {
    const std::array<int, 2> inSize = {conv.in.height, conv.in.width},
                             outSize = {conv.out.height, conv.out.width};
    for (int a = 0; a < 2; ++a) {
      axes_[a] =
          makeAxis(inSize[a], outSize[a], conv.kernel[a], conv.strides[a], conv.dilations[a], conv.pads[a]);
    }
    // Only phases that a tap reads become columns.
    std::vector<int> columnOf(static_cast<size_t>(conv.strides[0]) * conv.strides[1], -1);
    for (int tap = 0; tap < taps_; ++tap) {
      const Pair k = {tap / conv.kernel[1], tap % conv.kernel[1]};
      int& column = columnOf[axes_[0].phase[k[0]] * conv.strides[1] + axes_[1].phase[k[1]]];
      if (column < 0) column = phases_++;
      column_.push_back(column);
      shift_.push_back({axes_[0].shift[k[0]], axes_[1].shift[k[1]]});
    }
  }

  Pair cells() const { return {axes_[0].cells, axes_[1].cells}; }

  /// The Gram matrix of the block at frequency j, as a real matrix of twice the size: [[R, -I], [I, R]].
  Gram blockGram(Pair j, Pair twist) const {
    const int columns = in_ * phases_, width = 2 * columns;
    std::vector<double> block(static_cast<size_t>(2 * out_) * width);
    for (int tap = 0; tap < taps_; ++tap) {
      double angle = 0;
      std::array<double, 2> cosine{}, sine{};
      for (int a = 0; a < 2; ++a) {
        const int64_t period = 2 * int64_t{axes_[a].cells};
        const int64_t turn = ((2 * j[a] + twist[a]) * int64_t{shift_[tap][a]} % period + period) % period;
        angle = std::numbers::pi * static_cast<double>(turn) / static_cast<double>(axes_[a].cells);
        cosine[a] = std::cos(angle);
        sine[a] = std::sin(angle);
      }
      const double real = cosine[0] * cosine[1] - sine[0] * sine[1];
      const double imaginary = cosine[0] * sine[1] + sine[0] * cosine[1];
      for (int o = 0; o < out_; ++o) {
        double* top = block.data() + static_cast<size_t>(o) * width + column_[tap] * in_;
        double* bottom = top + static_cast<size_t>(out_) * width;
        for (int i = 0; i < in_; ++i) {
          const double weight = weight_[(static_cast<size_t>(o) * in_ + i) * taps_ + tap];
          top[i] += weight * real;
          top[columns + i] -= weight * imaginary;
          bottom[i] += weight * imaginary;
          bottom[columns + i] += weight * real;
        }
      }
    }
    return matrixGram(block.data(), 2 * out_, width);
  }

  /// Bound on the norm of what rounding changed in a block.
  double symbolError() const {
    const size_t count = static_cast<size_t>(out_) * in_ * taps_;
    double squares = 0;
    for (size_t w = 0; w < count; ++w) squares += weight_[w] * weight_[w];
    return (taps_ + 64.0) * std::numeric_limits<double>::epsilon() * std::sqrt(taps_ * squares * 2);
  }

 private:
  int in_, out_, taps_, phases_ = 0;
  const double* weight_;
  std::array<Axis, 2> axes_;
  std::vector<int> column_;
  std::vector<Pair> shift_;
};

/// One of each pair of conjugate frequencies.
std::vector<Pair> halfOfFrequencies(Pair cells, Pair twist) {
  std::vector<Pair> result;
  for (int y = 0; y < cells[0]; ++y) {
    for (int x = 0; x < cells[1]; ++x) {
      const Pair partner = {(2 * cells[0] - y - twist[0]) % cells[0],
                            (2 * cells[1] - x - twist[1]) % cells[1]};
      if (Pair{y, x} <= partner) result.push_back({y, x});
    }
  }
  return result;
}

std::vector<double> estimate(const Embedding& embedding, const std::vector<Pair>& frequencies, Pair twist,
                             const ParallelFor& parallel, const Checkpoint& checkpoint) {
  std::vector<double> result(frequencies.size());
  parallel(static_cast<int>(frequencies.size()), [&](int f) {
    checkpoint();
    result[f] = estimateLargestEigenvalue(embedding.blockGram(frequencies[f], twist).matrix);
  });
  return result;
}

/// The frequencies of another twist next to those whose estimate comes near the largest.
std::vector<Pair> nearPeaks(const std::vector<Pair>& frequencies, const std::vector<double>& estimates,
                            Pair cells, Pair twist) {
  constexpr double near = 0.8;
  const double peak = *std::max_element(estimates.begin(), estimates.end());
  std::vector<Pair> result;
  for (size_t f = 0; f < frequencies.size(); ++f) {
    if (estimates[f] < near * peak) continue;
    for (int y = -twist[0]; y <= 0; ++y) {
      for (int x = -twist[1]; x <= 0; ++x) {
        result.push_back(
            {(frequencies[f][0] + y + cells[0]) % cells[0], (frequencies[f][1] + x + cells[1]) % cells[1]});
      }
    }
  }
  std::sort(result.begin(), result.end());
  result.erase(std::unique(result.begin(), result.end()), result.end());
  return result;
}

}  // namespace

double circularNormBound(const Conv& conv, const ParallelFor& parallel, const Checkpoint& checkpoint) {
  const Embedding embedding(conv);
  const Pair cells = embedding.cells();
  const std::vector<Pair> plain = halfOfFrequencies(cells, {0, 0});
  const std::vector<double> estimates = estimate(embedding, plain, {0, 0}, parallel, checkpoint);

  Pair best = {0, 0};
  double smallest = *std::max_element(estimates.begin(), estimates.end());
  for (const Pair twist : {Pair{0, 1}, Pair{1, 0}, Pair{1, 1}}) {
    const std::vector<double> others =
        estimate(embedding, nearPeaks(plain, estimates, cells, twist), twist, parallel, checkpoint);
    const double largest = *std::max_element(others.begin(), others.end());
    if (largest < smallest) {
      smallest = largest;
      best = twist;
    }
  }

  constexpr double slack = 1e-6;
  const std::vector<Pair> frequencies = halfOfFrequencies(cells, best);
  std::vector<double> bounds(frequencies.size());
  parallel(static_cast<int>(frequencies.size()), [&](int f) {
    checkpoint();
    const Gram gram = embedding.blockGram(frequencies[f], best);
    bounds[f] = eigenvalueBound(gram.matrix, gram.error, smallest * (1 + slack));
  });
  const double square = *std::max_element(bounds.begin(), bounds.end());
  return (std::sqrt(square) + embedding.symbolError()) * (1 + 8 * std::numeric_limits<double>::epsilon());
}

}  // namespace bulwark
