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

const Norms& Prepared::norms() const {
  std::call_once(once_, [this] {
    for (const Affine& affine : network.affines) {
      norms_.spectral.push_back(spectralNormBound(affine));
      norms_.rowNorm.push_back(roundedUp(rowNorms(affine)));
      norms_.rowMax.push_back(roundedUp(rowMaxima(affine)));
    }
  });
  return norms_;
}

}  // namespace bulwark
