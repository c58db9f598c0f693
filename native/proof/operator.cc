#include "proof/operator.h"

#include <algorithm>
#include <cmath>

#include "network/conv_walk.h"

namespace bulwark::proof {

Operator::Operator(const Affine& affine) : in_(inputSize(affine)) {
  std::visit([this](const auto& each) { pack(each); }, affine);
  for (const double value : bias_) largestConstant_ = std::max(largestConstant_, std::fabs(value));
}

void Operator::pack(const Linear& linear) {
  bias_ = linear.bias;
  forwardTerms_ = linear.in;
  adjointTerms_ = linear.out;
  for (const double value : linear.weight) largestConstant_ = std::max(largestConstant_, std::fabs(value));
  const auto weight = [&](int o, int i) { return linear.weight[static_cast<size_t>(o) * linear.in + i]; };
  const auto fill = [](Plan& plan, int outputs, int inputs, const auto& entry) {
    plan.segments.push_back({0, inputs, 0});
    for (int first = 0; first < outputs; first += kTile) {
      const int count = std::min(kTile, outputs - first);
      plan.tiles.push_back({first, count, 0, 0, 1, static_cast<int64_t>(plan.weights.size()) / kTile});
      for (int k = 0; k < inputs; ++k) {
        for (int m = 0; m < kTile; ++m) plan.weights.push_back(m < count ? entry(first + m, k) : 0);
      }
    }
  };
  fill(forward_, linear.out, linear.in, weight);
  fill(adjoint_, linear.in, linear.out, [&](int i, int o) { return weight(o, i); });
}

void Operator::pack(const Conv& conv) {
  bias_ = conv.bias;
  for (const double value : conv.weight) largestConstant_ = std::max(largestConstant_, std::fabs(value));
  const int taps = tapCount(conv);
  const int inPerGroup = conv.in.channels / conv.group, outPerGroup = conv.out.channels / conv.group;
  const auto weight = [&](int o, int i, int tap) {  // i within the group
    return conv.weight[(static_cast<size_t>(o) * inPerGroup + i) * taps + tap];
  };
  struct Meeting {
    int pixel, tap;
  };
  // One direction: `outputs` channels per group of each target pixel from `inputs` channels per group of the
  // pixels that it meets. Weights [tile][tap][input][kTile].
  const auto fill = [&](Plan& plan, int outputs, int inputs,
                        const std::vector<std::vector<Meeting>>& meetings, const auto& entry) {
    std::vector<Tile> channels;  // the tiles of one pixel
    for (int group = 0; group < conv.group; ++group) {
      for (int first = 0; first < outputs; first += kTile) {
        const int count = std::min(kTile, outputs - first);
        channels.push_back({group * outputs + first, count, group * inputs, 0, 0,
                            static_cast<int64_t>(plan.weights.size()) / kTile});
        for (int tap = 0; tap < taps; ++tap) {
          for (int k = 0; k < inputs; ++k) {
            for (int m = 0; m < kTile; ++m)
              plan.weights.push_back(m < count ? entry(group, first + m, k, tap) : 0);
          }
        }
      }
    }
    size_t most = 0;
    for (size_t pixel = 0; pixel < meetings.size(); ++pixel) {
      most = std::max(most, meetings[pixel].size());
      const auto segment = static_cast<int32_t>(plan.segments.size());
      for (const Meeting& meeting : meetings[pixel]) {
        plan.segments.push_back(
            {meeting.pixel * inputs * conv.group, inputs, static_cast<int64_t>(meeting.tap) * inputs});
      }
      for (Tile tile : channels) {
        tile.out += static_cast<int32_t>(pixel) * outputs * conv.group;
        tile.segment = segment;
        tile.segmentCount = static_cast<int32_t>(meetings[pixel].size());
        plan.tiles.push_back(tile);
      }
    }
    return static_cast<int>(most) * inputs;
  };
  std::vector<std::vector<Meeting>> from(conv.out.pixels()), to(conv.in.pixels());
  forEachTap(conv, [&](int outPixel, int inPixel, int tap) {
    from[outPixel].push_back({inPixel, tap});
    to[inPixel].push_back({outPixel, tap});
  });
  forwardTerms_ = fill(forward_, outPerGroup, inPerGroup, from, [&](int group, int o, int i, int tap) {
    return weight(group * outPerGroup + o, i, tap);
  });
  adjointTerms_ = fill(adjoint_, inPerGroup, outPerGroup, to, [&](int group, int i, int o, int tap) {
    return weight(group * outPerGroup + o, i, tap);
  });
}

void Operator::pack(const Scale& scale) {
  diagonal_ = scale.scale;
  shifts_ = std::all_of(diagonal_.begin(), diagonal_.end(), [](double value) { return value == 1; });
  bias_ = scale.shift;
  for (const double value : diagonal_) largestConstant_ = std::max(largestConstant_, std::fabs(value));
}

void Operator::pack(const Index& index) {
  source_ = index.source;
  std::vector<int> copies(in_);
  for (const int32_t source : source_) {
    if (source >= 0) adjointTerms_ = std::max(adjointTerms_, ++copies[source]);
  }
}

ProductCall Operator::Plan::call(const double* in, double* out) const {
  return {tiles.data(), static_cast<int>(tiles.size()), segments.data(), weights.data(), in, out};
}

void Operator::forward(const KernelTable& kernels, const double* x, double* y) const {
  if (!forward_.tiles.empty()) return kernels.product(forward_.call(x, y));
  for (size_t i = 0; i < diagonal_.size(); ++i) {
    for (int lane = 0; lane < kLanes; ++lane) y[i * kLanes + lane] = diagonal_[i] * x[i * kLanes + lane];
  }
  for (size_t o = 0; o < source_.size(); ++o) {
    for (int lane = 0; lane < kLanes; ++lane)
      y[o * kLanes + lane] = source_[o] < 0 ? 0 : x[static_cast<size_t>(source_[o]) * kLanes + lane];
  }
}

void Operator::adjoint(const KernelTable& kernels, const double* y, double* x) const {
  if (!adjoint_.tiles.empty()) return kernels.product(adjoint_.call(y, x));
  for (size_t i = 0; i < diagonal_.size(); ++i) {
    for (int lane = 0; lane < kLanes; ++lane) x[i * kLanes + lane] = diagonal_[i] * y[i * kLanes + lane];
  }
  if (source_.empty()) return;
  std::fill_n(x, static_cast<size_t>(in_) * kLanes, 0.0);
  for (size_t o = 0; o < source_.size(); ++o) {
    if (source_[o] < 0) continue;
    double* to = x + static_cast<size_t>(source_[o]) * kLanes;
    for (int lane = 0; lane < kLanes; ++lane) to[lane] += y[o * kLanes + lane];
  }
}

void Operator::forwardMixed(const KernelTable& kernels, const double* x, double* y) const {
  constexpr int lanes = kMixedLanes;
  if (!forward_.tiles.empty()) return kernels.mixedProduct(forward_.call(x, y));
  for (size_t i = 0; i < diagonal_.size(); ++i) {
    for (int lane = 0; lane < lanes; ++lane) {
      y[i * lanes + lane] = (lane < lanes / 2 ? diagonal_[i] : std::fabs(diagonal_[i])) * x[i * lanes + lane];
    }
  }
  for (size_t o = 0; o < source_.size(); ++o) {
    for (int lane = 0; lane < lanes; ++lane) {
      y[o * lanes + lane] = source_[o] < 0 ? 0 : x[static_cast<size_t>(source_[o]) * lanes + lane];
    }
  }
}

}  // namespace bulwark::proof
