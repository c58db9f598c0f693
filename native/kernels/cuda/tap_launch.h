// Which kernel makes a product, and with which sums.
#pragma once

#include <vector>

#include "kernels/cuda/tap_kernel.h"

namespace bulwark::BULWARK_CUDA {

/// An operator's size: groups of `outputs` channels at `pixels` pixels, each a sum over at most `taps` x
/// `depth`.
struct TapShape {
  int outputs, groups, pixels, taps, depth;
};

/// The sum for an operator, from its shape alone.
TapSum chooseTapSum(const TapShape& shape);

/// The terms that any of their kernels may fetch at once.
int longestChunk(TapSum sum);

/// Kernels with these sums that run this call. Any of them gives the same result.
std::vector<TapKernel> tapKernels(TapSum sum, const TapCall& call);

/// The fastest of them, by a model of the time. `pixels`: of each class.
TapKernel chooseTapKernel(TapSum sum, const TapCall& call, const std::vector<int>& pixels);

/// Enqueues. `severalTaps`: whether any class has more than one.
void launchTaps(cudaStream_t stream, const TapKernel& kernel, TapCall call, bool severalTaps,
                const std::vector<int>& pixels);

}  // namespace bulwark::BULWARK_CUDA
