#include "proof/operator.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <map>
#include <numeric>

#include "network/conv_walk.h"

namespace bulwark::proof {

Operator::Operator(const Affine& affine) : in_(inputSize(affine)), out_(outputSize(affine)) {
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
      Tile tile{{}, count, 0, 0, 1, static_cast<int64_t>(plan.weights.size()) / kTile};
      std::iota(tile.out, tile.out + count, first);
      plan.tiles.push_back(tile);
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
  // pixels that it meets. Weights [tile][taps][input][kTile], taps in the order given, so that those of
  // neighbouring pixels may be neighbours too and make one segment.
  const auto fill = [&](Plan& plan, int outputs, int inputs, const std::vector<int>& order,
                        const std::vector<std::vector<Meeting>>& meetings, const auto& entry) {
    // Target pixels that meet the same pixels share tiles where the channels of one do not fill them.
    std::vector<std::vector<int>> clusters;
    std::map<std::vector<int>, size_t> clusterOf;
    size_t most = 0;
    for (int pixel = 0; pixel < static_cast<int>(meetings.size()); ++pixel) {
      most = std::max(most, meetings[pixel].size());
      std::vector<int> met;
      for (const Meeting& meeting : meetings[pixel]) met.push_back(meeting.pixel);
      const auto [found, fresh] = clusterOf.try_emplace(met, clusters.size());
      if (fresh || outputs % kTile == 0) {
        clusters.push_back({pixel});
      } else {
        clusters[found->second].push_back(pixel);
      }
    }
    // The taps, as places in `order`, by which the pixels of a cluster meet one pixel; by the cluster's size.
    std::map<size_t, std::map<std::vector<int>, int64_t>> tapsOf;
    std::vector<int> place(taps);
    for (int i = 0; i < taps; ++i) place[order[i]] = i;
    const auto together = [&](const std::vector<int>& cluster, size_t meeting) {
      std::vector<int> out;
      for (const int pixel : cluster) out.push_back(place[meetings[pixel][meeting].tap]);
      return out;
    };
    for (const std::vector<int>& cluster : clusters) {
      auto& known = tapsOf[cluster.size()];
      for (size_t i = 0; i < meetings[cluster[0]].size(); ++i) known[together(cluster, i)] = 0;
    }
    std::map<size_t, std::vector<Tile>> tilesOf;  // likewise; `out` counts the cluster's outputs
    for (auto& [size, known] : tapsOf) {
      int64_t next = 0;
      for (auto& [places, at] : known) at = inputs * next++;
      const int all = static_cast<int>(size) * outputs;
      for (int group = 0; group < conv.group; ++group) {
        for (int first = 0; first < all; first += kTile) {
          const int count = std::min(kTile, all - first);
          Tile tile{{}, count, group * inputs, 0, 0, static_cast<int64_t>(plan.weights.size()) / kTile};
          std::iota(tile.out, tile.out + count, first);
          tilesOf[size].push_back(tile);
          for (const auto& [places, at] : known) {
            for (int k = 0; k < inputs; ++k) {
              for (int m = first; m < first + kTile; ++m) {
                const bool inside = m < all;
                plan.weights.push_back(inside ? entry(group, m % outputs, k, order[places[m / outputs]]) : 0);
              }
            }
          }
        }
      }
    }
    for (const std::vector<int>& cluster : clusters) {
      const auto segment = static_cast<int32_t>(plan.segments.size());
      for (size_t i = 0; i < meetings[cluster[0]].size(); ++i) {
        const int in = meetings[cluster[0]][i].pixel * inputs * conv.group;
        const int64_t at = tapsOf[cluster.size()][together(cluster, i)];
        if (Segment* last = i == 0 ? nullptr : &plan.segments.back();
            last && last->in + last->length == in && last->weights + last->length == at) {
          last->length += inputs;
        } else {
          plan.segments.push_back({in, inputs, at});
        }
      }
      for (Tile tile : tilesOf[cluster.size()]) {
        const int group = tile.in / inputs;
        for (int m = 0; m < tile.outputs; ++m) {
          const auto [which, channel] = std::div(tile.out[m], outputs);
          tile.out[m] = (cluster[which] * conv.group + group) * outputs + channel;
        }
        tile.segment = segment;
        tile.segmentCount = static_cast<int32_t>(plan.segments.size()) - segment;
        plan.tiles.push_back(tile);
      }
    }
    plan.cell = inputs * conv.group;
    return static_cast<int>(most) * inputs;
  };
  std::vector<std::vector<Meeting>> from(conv.out.pixels()), to(conv.in.pixels());
  forEachTap(conv, [&](int outPixel, int inPixel, int tap) {
    from[outPixel].push_back({inPixel, tap});
    to[inPixel].push_back({outPixel, tap});
  });
  // Neighbouring outputs meet an input pixel by taps a stride apart, the later output by the earlier tap.
  std::vector<int> rowByRow(taps), strideApart;
  std::iota(rowByRow.begin(), rowByRow.end(), 0);
  const int width = conv.kernel[1], stride = conv.strides[1];
  for (int row = 0; row < taps; row += width) {
    for (int phase = 0; phase < std::min(stride, width); ++phase) {
      for (int kx = phase + (width - 1 - phase) / stride * stride; kx >= 0; kx -= stride)
        strideApart.push_back(row + kx);
    }
  }
  forwardTerms_ =
      fill(forward_, outPerGroup, inPerGroup, rowByRow, from,
           [&](int group, int o, int i, int tap) { return weight(group * outPerGroup + o, i, tap); });
  adjointTerms_ =
      fill(adjoint_, inPerGroup, outPerGroup, strideApart, to,
           [&](int group, int i, int o, int tap) { return weight(group * outPerGroup + o, i, tap); });
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

ProductPlan Operator::Plan::view() const {
  return {tiles.data(), static_cast<int>(tiles.size()), segments.data(), weights.data()};
}

/// By cell, whether any row of the blocks may have another number than 0 there (-0 is one).
std::vector<uint8_t> Operator::Plan::alive(int features, int blocks, const double* const* in) const {
  std::vector<uint8_t> out(features / cell, 0);
  for (size_t i = 0; i < out.size(); ++i) {
    for (int block = 0; block < blocks && !out[i]; ++block) {
      const double* feature = in[block] + i * cell * kLanes;
      for (int k = 0; k < cell && !out[i]; ++k, feature += kLanes) {
        uint64_t bits = 0;
        for (int lane = 0; lane < kLanes; ++lane) bits |= std::bit_cast<uint64_t>(feature[lane]);
        out[i] = bits != 0;
      }
    }
  }
  return out;
}

void Operator::forward(const KernelTable& kernels, int blocks, const double* const* x,
                       double* const* y) const {
  if (!forward_.tiles.empty()) return kernels.product(forward_.view(), blocks, x, y);
  for (int block = 0; block < blocks; ++block) {
    for (size_t i = 0; i < diagonal_.size() * kLanes; ++i) y[block][i] = diagonal_[i / kLanes] * x[block][i];
    for (size_t o = 0; o < source_.size(); ++o) {
      double* to = y[block] + o * kLanes;
      if (source_[o] < 0) {
        std::fill_n(to, kLanes, 0.0);
      } else {
        std::copy_n(x[block] + static_cast<size_t>(source_[o]) * kLanes, kLanes, to);
      }
    }
  }
}

void Operator::adjoint(const KernelTable& kernels, int blocks, const double* const* y,
                       double* const* x) const {
  if (!adjoint_.tiles.empty()) {
    ProductPlan plan = adjoint_.view();
    std::vector<uint8_t> alive;
    if (adjoint_.cell > 0) {
      alive = adjoint_.alive(out_, blocks, y);
      plan.cell = adjoint_.cell;
      plan.alive = alive.data();
    }
    return kernels.product(plan, blocks, y, x);
  }
  for (int block = 0; block < blocks; ++block) {
    for (size_t i = 0; i < diagonal_.size() * kLanes; ++i) x[block][i] = diagonal_[i / kLanes] * y[block][i];
    if (source_.empty()) continue;
    std::fill_n(x[block], static_cast<size_t>(in_) * kLanes, 0.0);
    for (size_t o = 0; o < source_.size(); ++o) {
      if (source_[o] < 0) continue;
      double* to = x[block] + static_cast<size_t>(source_[o]) * kLanes;
      for (int lane = 0; lane < kLanes; ++lane) to[lane] += y[block][o * kLanes + lane];
    }
  }
}

void Operator::forwardMixed(const KernelTable& kernels, const double* x, double* y) const {
  constexpr int lanes = kMixedLanes;
  if (!forward_.tiles.empty()) return kernels.mixedProduct(forward_.view(), x, y);
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
