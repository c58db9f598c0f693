// Affine operators without sums: scales, biases, features moved about.
#pragma once

#include "kernels/cuda/memory.h"

namespace bulwark::BULWARK_CUDA {

/// out (+)= factors[feature] * in.
void scaleFeatures(cudaStream_t stream, const float* factors, View in, View out, bool accumulate);
/// y += bias[feature].
void addToFeatures(cudaStream_t stream, const float* bias, View y);

/// Which features of the input an output feature adds up: those from starts[i] to starts[i + 1] of `sources`,
/// in this order.
struct FeatureLists {
  Array<int> starts, sources;
};
/// source[i] = -1: nothing.
FeatureLists selectedFeatures(const std::vector<int32_t>& source, const std::shared_ptr<Memory>& memory);
/// The transpose, of a selection from `in` features.
FeatureLists returnedFeatures(const std::vector<int32_t>& source, int in,
                              const std::shared_ptr<Memory>& memory);
/// out (+)= the sums of the listed features of in.
void addListed(cudaStream_t stream, const FeatureLists& lists, View in, View out, bool accumulate);

}  // namespace bulwark::BULWARK_CUDA
