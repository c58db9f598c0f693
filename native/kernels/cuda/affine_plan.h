// An affine operator with its weights on the device.
#pragma once

#include <memory>
#include <variant>

#include "kernels/cuda/cublas.h"
#include "kernels/cuda/diagonal.h"
#include "kernels/cuda/tap_plan.h"

namespace bulwark::BULWARK_CUDA {

class CudaAffinePlan final : public AffinePlan {
 public:
  /// Packs and uploads; complete when it returns. Throws DeviceMemoryError.
  CudaAffinePlan(const Affine& affine, const std::shared_ptr<Memory>& memory);

  /// Enqueue. Throw std::invalid_argument for views of other sizes. `library`, where it is not null, serves
  /// the stream and makes the products of linear operators.
  void apply(cudaStream_t stream, Cublas* library, Pass pass, View in, View out, Write write) const;
  void addBias(cudaStream_t stream, View y) const;

 private:
  struct Taps {
    TapPlan forward, magnitude, adjoint;
    bool dense;  // a linear operator: one matrix
  };
  struct Diagonal {
    Array<float> factors, magnitudes;
  };
  struct Selection {
    FeatureLists forward, adjoint;
  };

  int in_, out_;
  std::variant<Diagonal, Selection, Taps> operator_;
  Array<float> bias_;  // empty: none
};

}  // namespace bulwark::BULWARK_CUDA
