// The images whose rows lie in the lanes of a block, and what is known of them as the kernels read it.
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <span>
#include <utility>

#include "proof/buffers.h"
#include "proof/claim.h"
#include "proof/facts.h"
#include "proof/kernels.h"

namespace bulwark::proof {

/// One number for each feature, of the image of all lanes, or [feature][lane] and `own`.
struct LaneValues {
  Buffers::Buffer own;
  const double* data;
};

class LaneImages {
 public:
  /// Of the claims in the lanes.
  LaneImages(const std::array<const Claim*, kLanes>& claims,
             std::span<const std::unique_ptr<ImageFacts>> images, Buffers& buffers)
      : buffers_(buffers) {
    for (size_t lane = 0; lane < kLanes; ++lane) images_[lane] = images[claims[lane]->image].get();
  }

  const ImageFacts& operator[](int lane) const { return *images_[lane]; }
  /// Whether lanes are of several images.
  bool own() const {
    return std::any_of(images_.begin(), images_.end(),
                       [this](const auto* each) { return each != images_[0]; });
  }

  /// What `of` says of each image; null for nothing.
  template <class Of>
  LaneValues values(const Of& of) const {
    const size_t size = of(*images_[0]).size();
    if (size == 0) return {{}, nullptr};
    if (!own()) return {{}, of(*images_[0]).data()};
    Buffers::Buffer gathered = buffers_.take(size * kLanes);
    for (size_t begin = 0; begin < size; begin += kChunk) {  // few cache lines at a time
      const size_t end = std::min(begin + kChunk, size);
      for (size_t lane = 0; lane < kLanes; ++lane) {
        const double* from = of(*images_[lane]).data();
        for (size_t i = begin; i < end; ++i) gathered[i * kLanes + lane] = from[i];
      }
    }
    const double* data = gathered.get();
    return {std::move(gathered), data};
  }

 private:
  Buffers& buffers_;
  std::array<const ImageFacts*, kLanes> images_;
};

}  // namespace bulwark::proof
