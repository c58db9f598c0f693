// Numbers of up to kLanes rows side by side, [feature][lane].
#pragma once

#include <cstddef>
#include <vector>

#include "proof/kernels.h"

namespace bulwark::weighted {

using proof::kLanes;

using Lanes = std::vector<double>;
inline Lanes lanesOf(int features, double value = 0) {
  return Lanes(static_cast<size_t>(features) * kLanes, value);
}
inline int featuresOf(const Lanes& lanes) { return static_cast<int>(lanes.size() / kLanes); }

/// One number for each lane.
struct PerLane {
  double at[kLanes] = {};
  double& operator[](size_t lane) { return at[lane]; }
  double operator[](size_t lane) const { return at[lane]; }
};

inline PerLane dot(const Lanes& a, const Lanes& b) {
  PerLane sum;
  for (size_t i = 0; i < a.size(); i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) sum[lane] += a[i + lane] * b[i + lane];
  }
  return sum;
}

/// y += factor x, lane by lane.
inline void addScaled(const Lanes& x, const PerLane& factor, Lanes& y) {
  for (size_t i = 0; i < x.size(); i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) y[i + lane] += factor[lane] * x[i + lane];
  }
}

}  // namespace bulwark::weighted
