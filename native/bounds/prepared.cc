#include "bounds/prepared.h"

#include <cmath>
#include <limits>

#include "network/norms.h"
#include "network/spectral.h"

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

bool Prepared::computeNorms(const StopCheck& stop) const {
  const std::lock_guard lock(mutex_);
  for (size_t next = norms_.spectral.size(); next < network.affines.size(); ++next) {
    if (stop()) return false;
    const Affine& affine = network.affines[next];
    norms_.rowNorm.push_back(roundedUp(rowNorms(affine)));
    norms_.rowMax.push_back(roundedUp(rowMaxima(affine)));
    norms_.spectral.push_back(spectralNormBound(affine));
  }
  return true;
}

}  // namespace bulwark
