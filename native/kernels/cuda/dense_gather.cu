// Moving entries about by index. A scatter without atomics: the host, which has the indices anyway, sorts
// them by target (they mostly are sorted), and a thread adds what goes to one target in the order of the
// sources.
#include <algorithm>
#include <numeric>
#include <vector>

#include "kernels/cuda/dense_each.h"
#include "kernels/cuda/dense_kernels.h"

namespace bulwark::BULWARK_CUDA::dense {
namespace {

struct Gather {
  const float* x;
  const int32_t* indices;
  float* y;
  __device__ void operator()(size_t at) const { y[at] = indices[at] < 0 ? 0.0f : x[indices[at]]; }
};

struct Scatter {
  const float* x;
  const int32_t *targets, *starts, *sources;  // of target i: sources from starts[i] to starts[i + 1]
  float* y;
  __device__ void operator()(size_t at) const {
    float sum = y[targets[at]];
    for (int i = starts[at]; i < starts[at + 1]; ++i) sum += x[sources[i]];
    y[targets[at]] = sum;
  }
};

}  // namespace

void gather(Stream& stream, const float* x, const int32_t* indices, float* y, size_t count) {
  if (count == 0) return;
  forEach(stream.get(), count, Gather{x, stream.pass(indices, count), y});
}

void scatterAdd(Stream& stream, const float* x, const int32_t* indices, float* y, size_t count) {
  std::vector<int32_t> sources(count);
  std::iota(sources.begin(), sources.end(), 0);
  if (!std::is_sorted(indices, indices + count))
    std::stable_sort(sources.begin(), sources.end(),
                     [indices](int32_t a, int32_t b) { return indices[a] < indices[b]; });
  // Targets, starts and sources in one array, so that one copy takes them over.
  std::vector<int32_t> targets, starts;
  const auto skipped = std::find_if(sources.begin(), sources.end(),
                                    [indices](int32_t source) { return indices[source] >= 0; });
  for (auto at = skipped; at != sources.end(); ++at)
    if (targets.empty() || targets.back() != indices[*at]) {
      targets.push_back(indices[*at]);
      starts.push_back(static_cast<int32_t>(at - skipped));
    }
  if (targets.empty()) return;
  const size_t distinct = targets.size();
  starts.push_back(static_cast<int32_t>(sources.end() - skipped));
  targets.insert(targets.end(), starts.begin(), starts.end());
  targets.insert(targets.end(), skipped, sources.end());
  const int32_t* passed = stream.pass(targets.data(), targets.size());
  forEach(stream.get(), distinct, Scatter{x, passed, passed + distinct, passed + 2 * distinct + 1, y});
}

}  // namespace bulwark::BULWARK_CUDA::dense
