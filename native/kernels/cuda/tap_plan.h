// A matrix product or convolution laid out for the device: packed weights, and where the inputs of every
// output pixel lie.
#pragma once

#include <vector>

#include "kernels/cuda/memory.h"
#include "kernels/cuda/tap_launch.h"
#include "kernels/tap_problem.h"

namespace bulwark::BULWARK_CUDA {

class TapPlan {
 public:
  TapPlan(const TapProblem& problem, const std::shared_ptr<Memory>& memory);

  /// out (+)= plan * in. Enqueues.
  void apply(cudaStream_t stream, View in, View out, bool accumulate) const;
  /// A matrix as it is packed: by columns, so many floats from one to the next.
  const float* weights() const { return weights_.data(); }
  int weightRow() const { return call_.weightRow; }
  /// The kernels that can do it, and the same with one of them.
  std::vector<TapKernel> kernels() const { return tapKernels(sum_, call_); }
  void applyWith(const TapKernel& kernel, cudaStream_t stream, View in, View out, bool accumulate) const;

 private:
  TapCall callOf(View in, View out, bool accumulate) const;

  TapCall call_{};  // without what changes from call to call
  TapSum sum_ = TapSum::whole;
  bool severalTaps_ = false;
  std::vector<int> pixels_;  // of each class
  Array<TapClass> classes_;
  Array<int> sources_, places_;
  Array<float> weights_;
};

}  // namespace bulwark::BULWARK_CUDA
