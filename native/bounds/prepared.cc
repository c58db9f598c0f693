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
  const std::lock_guard lock(known_->mutex);
  std::vector<char>& there = known_->there;
  Norms& norms = known_->norms;
  const size_t count = network.affines.size();
  there.resize(count);
  norms.spectral.resize(count);
  norms.rowNorm.resize(count);
  norms.rowMax.resize(count);
  if (std::find(there.begin(), there.end(), 0) == there.end()) return true;
  const Checkpoint checkpoint = stopAt(stop);
  const auto compute = [&](int index) {
    if (there[index] || stop()) return;
    const Affine& affine = network.affines[index];
    norms.rowNorm[index] = roundedUp(rowNorms(affine));
    norms.rowMax[index] = roundedUp(rowMaxima(affine));
    norms.spectral[index] = spectralNormBound(affine, parallel, checkpoint);
    there[index] = 1;
  };
  try {
    parallel(static_cast<int>(count), compute);
  } catch (const Stopped&) {
    return false;
  }
  return std::find(there.begin(), there.end(), 0) == there.end();
}

}  // namespace bulwark
