#include "bounds/prepared.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "network/norms.h"

namespace bulwark {

namespace {

std::vector<float> roundedUp(const std::vector<double>& values) {
  std::vector<float> out;
  out.reserve(values.size());
  for (double value : values) {
    const float near = static_cast<float>(value);
    out.push_back(near >= value ? near : std::nextafter(near, std::numeric_limits<float>::infinity()));
  }
  return out;
}

}  // namespace

bool Prepared::computeNorms(const StopCheck& stop, const ParallelFor& parallel) const {
  const std::lock_guard lock(mutex_);
  const size_t count = network.affines.size();
  known_.resize(count);
  norms_.spectral.resize(count);
  norms_.rowNorm.resize(count);
  norms_.rowMax.resize(count);
  if (std::find(known_.begin(), known_.end(), 0) == known_.end()) return true;
  const Checkpoint checkpoint = stopAt(stop);
  const auto compute = [&](int index) {
    if (known_[index] || stop()) return;
    const Affine& affine = network.affines[index];
    norms_.rowNorm[index] = roundedUp(rowNorms(affine));
    norms_.rowMax[index] = roundedUp(rowMaxima(affine));
    norms_.spectral[index] = spectralNormBound(affine, parallel, checkpoint);
    known_[index] = 1;
  };
  try {
    parallel(static_cast<int>(count), compute);
  } catch (const Stopped&) {
    return false;
  }
  return std::find(known_.begin(), known_.end(), 0) == known_.end();
}

}  // namespace bulwark
