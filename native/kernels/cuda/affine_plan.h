// An affine operator on the device.
#pragma once

#include <memory>
#include <vector>

#include "kernels/cuda/memory.h"

namespace bulwark::BULWARK_CUDA {

class CudaAffinePlan final : public AffinePlan {
 public:
  CudaAffinePlan(const Affine& affine, const std::shared_ptr<Memory>& memory);

  /// Enqueues; throws std::invalid_argument for views of other sizes.
  void apply(cudaStream_t stream, Pass pass, View in, View out, Write write) const;
  void addBias(cudaStream_t stream, View y) const;

 private:
  /// y[i] (+)= sum over entries [start[i], start[i + 1]) of weight * x[source].
  struct Rows {
    Array<int> start, source;
    Array<float> weight;
  };
  int in_ = 0, out_ = 0;
  Rows forward_, adjoint_, magnitude_;
  Array<float> bias_;
};

}  // namespace bulwark::BULWARK_CUDA
