#include "kernels/cpu/clipped_l1.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/cpu/kernel_table.h"

namespace bulwark {
namespace {

struct Item {
  float gain;
  int feature;
};

/// One row: every unit of |dx| spent on a feature gains |a|, up to the box; the budget is eps.
double fillKnapsack(const float* a, const float* lower, const float* upper, int features, double budget,
                    std::vector<Item>& items, float* dx) {
  items.clear();
  bool broken = !(budget >= 0.0);
  for (int i = 0; i < features; ++i) {
    const float slope = a[i * kLanes];
    broken = broken || std::isnan(slope) || !(lower[i * kLanes] <= upper[i * kLanes]);
    dx[i * kLanes] = 0.0f;
    if (slope != 0.0f) items.push_back({std::fabs(slope), i});
  }
  if (broken) return std::numeric_limits<double>::quiet_NaN();
  std::sort(items.begin(), items.end(), [](const Item& x, const Item& y) {
    return x.gain != y.gain ? x.gain > y.gain : x.feature < y.feature;
  });
  double value = 0.0;
  for (const Item& item : items) {
    if (budget <= 0.0) break;
    const int at = item.feature * kLanes;
    const double room = a[at] > 0.0f ? -static_cast<double>(lower[at]) : static_cast<double>(upper[at]);
    const double spent = std::min(budget, room);
    dx[at] = static_cast<float>(a[at] > 0.0f ? -spent : spent);
    value -= spent * item.gain;
    budget -= spent;
  }
  return value;
}

}  // namespace

void clippedL1Input(const InputRegion& region, View a, View dx, Sums value) {
  std::vector<Item> items;
  for (int block = 0; block < a.blocks; ++block)
    for (int lane = 0; lane < kLanes; ++lane) {
      const size_t at = static_cast<size_t>(block) * a.features * kLanes + lane;
      const int row = block * kLanes + lane;
      value.data[row] = fillKnapsack(a.data + at, region.lower.data + at, region.upper.data + at, a.features,
                                     region.eps.data[row], items, dx.data + at);
    }
}

}  // namespace bulwark
