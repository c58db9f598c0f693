// Starting kernels, and turning the runtime's error codes into exceptions.
#pragma once

#include <cuda_runtime.h>

#include <utility>

#include "kernels/cuda/layout.h"

namespace bulwark::BULWARK_CUDA {

/// Throws DeviceMemoryError or DeviceError that names the failure and `what` was asked for.
void require(cudaError_t status, const char* what);

/// Lets a kernel be launched with this much dynamic shared memory. Needed once for more than 48 KiB.
template <typename... Parameters>
void allowShared(void (*kernel)(Parameters...), size_t bytes) {
  require(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                               cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes)),
          "shared memory of a kernel");
}

/// kernel(arguments...) on `stream`; an empty grid starts nothing. Returns before the kernel has run.
template <typename... Parameters, typename... Arguments>
void launchShared(cudaStream_t stream, size_t sharedBytes, void (*kernel)(Parameters...), dim3 grid,
                  dim3 block, Arguments&&... arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = sharedBytes;
  config.stream = stream;
  require(cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(std::forward<Arguments>(arguments))...),
          "kernel launch");
}

template <typename... Parameters, typename... Arguments>
void launch(cudaStream_t stream, void (*kernel)(Parameters...), dim3 grid, dim3 block,
            Arguments&&... arguments) {
  launchShared(stream, 0, kernel, grid, block, std::forward<Arguments>(arguments)...);
}

/// The shared memory that `launchShared` asked for.
template <typename T>
__device__ T* dynamicShared() {
#ifdef BULWARK_CUDA_EMULATED
  return static_cast<T*>(emulation::dynamicShared());
#else
  extern __shared__ __align__(16) unsigned char bulwarkDynamicShared[];
  return reinterpret_cast<T*>(bulwarkDynamicShared);
#endif
}

}  // namespace bulwark::BULWARK_CUDA
