// Copies from device to shared memory that a thread starts and waits for later, past the registers. Behind
// two functions, so that the host's emulation of the kernels can have its own version of this header, which
// delivers as late as a device might.
#pragma once

#include <cuda_runtime.h>

#include "kernels/cuda/layout.h"

namespace bulwark::BULWARK_CUDA {

/// The copies that one thread has started: `start` any number, `commit` them as a group, `wait` until at most
/// so many of the latest groups are under way. What other threads copied is there after the next
/// __syncthreads.
class AsyncCopies {
 public:
  /// 16 bytes, both ends aligned to them; zeros where nothing is `present`, and then nothing is read. Through
  /// the nearest cache, because the taps of neighbouring pixels meet the same inputs.
  __device__ __forceinline__ void start(float* to, const float* from, bool present) {
    asm volatile("cp.async.ca.shared.global [%0], [%1], 16, %2;\n" ::"r"(
                     static_cast<unsigned>(__cvta_generic_to_shared(to))),
                 "l"(from), "r"(present ? 16 : 0)
                 : "memory");
  }
  __device__ __forceinline__ void commit() { asm volatile("cp.async.commit_group;\n" ::: "memory"); }
  template <int underWay>
  __device__ __forceinline__ void wait() {
    asm volatile("cp.async.wait_group %0;\n" ::"n"(underWay) : "memory");
  }
};

}  // namespace bulwark::BULWARK_CUDA
