// One warp a feature of one block of the batch: 128 bytes in, 128 bytes out. All of this is bound by memory.

#include "kernels/cuda/diagonal.h"

namespace bulwark::BULWARK_CUDA {
namespace {

constexpr int kFeatures = 8;  // of a block of threads

/// The feature of this warp, and whether there is one. blockIdx.y: block of the batch.
__device__ int ownFeature() { return static_cast<int>(blockIdx.x * kFeatures + threadIdx.y); }
__device__ size_t at(int feature, int features) {
  return (static_cast<size_t>(blockIdx.y) * static_cast<size_t>(features) + static_cast<size_t>(feature)) *
             kLanes +
         threadIdx.x;
}

__global__ void scaleKernel(const float* factors, const float* in, float* out, int features,
                            bool accumulate) {
  const int feature = ownFeature();
  if (feature >= features) return;
  const size_t place = at(feature, features);
  const float scaled = __ldg(factors + feature) * in[place];
  out[place] = accumulate ? out[place] + scaled : scaled;
}

__global__ void addKernel(const float* bias, float* y, int features) {
  const int feature = ownFeature();
  if (feature < features) y[at(feature, features)] += __ldg(bias + feature);
}

__global__ void listKernel(const int* starts, const int* sources, const float* in, float* out, int inFeatures,
                           int features, bool accumulate) {
  const int feature = ownFeature();
  if (feature >= features) return;
  const size_t place = at(feature, features);
  float sum = accumulate ? out[place] : 0.0f;
  const int end = __ldg(starts + feature + 1);
  for (int i = __ldg(starts + feature); i < end; ++i) sum += in[at(__ldg(sources + i), inFeatures)];
  out[place] = sum;
}

dim3 grid(View view) {
  return dim3(static_cast<unsigned>((view.features + kFeatures - 1) / kFeatures),
              static_cast<unsigned>(view.blocks));
}
const dim3 kBlock(kLanes, kFeatures);

}  // namespace

void scaleFeatures(cudaStream_t stream, const float* factors, View in, View out, bool accumulate) {
  launch(stream, scaleKernel, grid(out), kBlock, factors, in.data, out.data, out.features, accumulate);
}

void addToFeatures(cudaStream_t stream, const float* bias, View y) {
  launch(stream, addKernel, grid(y), kBlock, bias, y.data, y.features);
}

FeatureLists selectedFeatures(const std::vector<int32_t>& source, const std::shared_ptr<Memory>& memory) {
  std::vector<int> starts{0}, sources;
  for (const int32_t from : source) {
    if (from >= 0) sources.push_back(from);
    starts.push_back(static_cast<int>(sources.size()));
  }
  return {Array<int>(memory, starts), Array<int>(memory, sources)};
}

FeatureLists returnedFeatures(const std::vector<int32_t>& source, int in,
                              const std::shared_ptr<Memory>& memory) {
  std::vector<std::vector<int>> targets(static_cast<size_t>(in));
  for (size_t i = 0; i < source.size(); ++i)
    if (source[i] >= 0) targets[static_cast<size_t>(source[i])].push_back(static_cast<int>(i));
  std::vector<int> starts{0}, sources;
  for (const std::vector<int>& list : targets) {
    sources.insert(sources.end(), list.begin(), list.end());
    starts.push_back(static_cast<int>(sources.size()));
  }
  return {Array<int>(memory, starts), Array<int>(memory, sources)};
}

void addListed(cudaStream_t stream, const FeatureLists& lists, View in, View out, bool accumulate) {
  launch(stream, listKernel, grid(out), kBlock, lists.starts.data(), lists.sources.data(), in.data, out.data,
         in.features, out.features, accumulate);
}

}  // namespace bulwark::BULWARK_CUDA
