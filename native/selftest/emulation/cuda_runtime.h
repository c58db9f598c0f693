// The part of the CUDA runtime that the kernels use, on the host: what stands in for <cuda_runtime.h> when
// native/kernels/cuda is compiled as C++ for the self-test on machines without a GPU.
//
// Kernels run block by block; the threads of a block are fibers that are switched at barriers, in an order
// that changes from one stretch to the next, so that a missing barrier shows. Work on a stream is put off
// until somebody waits for the stream, so that a missing wait shows too. Memory is poisoned and guarded.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <utility>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(bytes) alignas(bytes)
#define __shared__ static thread_local

struct uint3 {
  unsigned x, y, z;
};
struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  constexpr dim3() = default;
  constexpr dim3(unsigned width, unsigned height = 1, unsigned depth = 1) : x(width), y(height), z(depth) {}
};
struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(8) int2 {
  int x, y;
};
struct alignas(16) int4 {
  int x, y, z, w;
};
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline int2 make_int2(int x, int y) { return {x, y}; }
inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }

extern constinit thread_local uint3 threadIdx, blockIdx;
extern constinit thread_local uint3 blockDim, gridDim;

// --- in kernels ---

namespace bulwark::emulation {

void blockBarrier();
void warpBarrier();
/// What `word` is in lane `lane` of the warp.
uint64_t exchange(uint64_t word, unsigned lane);
unsigned laneIndex();
void* dynamicShared();
/// Stops the program: the kernel does what the emulation, or CUDA, does not allow.
[[noreturn]] void refuse(const char* what);

template <typename T>
T shuffle(unsigned mask, T value, unsigned lane) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8);
  if (mask != 0xffffffffu) refuse("a shuffle of a part of a warp");
  uint64_t word = 0;
  std::memcpy(&word, &value, sizeof value);
  word = exchange(word, lane % 32);
  std::memcpy(&value, &word, sizeof value);
  return value;
}

}  // namespace bulwark::emulation

inline void __syncthreads() { bulwark::emulation::blockBarrier(); }
inline void __syncwarp() { bulwark::emulation::warpBarrier(); }
template <typename T>
T __shfl_sync(unsigned mask, T value, int lane) {
  return bulwark::emulation::shuffle(mask, value, static_cast<unsigned>(lane));
}
template <typename T>
T __shfl_xor_sync(unsigned mask, T value, int bits) {
  return bulwark::emulation::shuffle(mask, value,
                                     bulwark::emulation::laneIndex() ^ static_cast<unsigned>(bits));
}
template <typename T>
T __shfl_down_sync(unsigned mask, T value, unsigned by) {
  const unsigned lane = bulwark::emulation::laneIndex();
  return bulwark::emulation::shuffle(mask, value, lane + by < 32 ? lane + by : lane);
}
template <typename T>
T __shfl_up_sync(unsigned mask, T value, unsigned by) {
  const unsigned lane = bulwark::emulation::laneIndex();
  return bulwark::emulation::shuffle(mask, value, lane >= by ? lane - by : lane);
}

template <typename T>
T __ldg(const T* from) {
  return *from;
}
inline int min(int a, int b) { return a < b ? a : b; }
inline int max(int a, int b) { return a > b ? a : b; }
inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>((static_cast<uint64_t>(a) * b) >> 32);
}
inline int __float_as_int(float x) {
  int bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}
inline float __int_as_float(int bits) {
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

// --- the host's calls ---

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInvalidConfiguration = 9,
  cudaErrorInsufficientDriver = 35,
  cudaErrorStreamCaptureUnsupported = 900,
  cudaErrorStreamCaptureInvalidated = 901,
};
enum cudaStreamCaptureMode { cudaStreamCaptureModeThreadLocal = 1 };
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize = 8 };
enum cudaMemcpyKind { cudaMemcpyHostToDevice = 1, cudaMemcpyDeviceToHost = 2, cudaMemcpyDeviceToDevice = 3 };
inline constexpr unsigned cudaStreamNonBlocking = 1;
enum cudaDeviceAttr { cudaDevAttrComputeCapabilityMajor = 75, cudaDevAttrComputeCapabilityMinor = 76 };
struct cudaDeviceProp {
  char name[256];
  size_t totalGlobalMem;
  int major, minor;
};
struct EmulatedStream;
using cudaStream_t = EmulatedStream*;
/// The stream of calls that name none; those are made at once here.
inline constexpr cudaStream_t cudaStreamLegacy = nullptr;
struct EmulatedGraph;
using cudaGraph_t = EmulatedGraph*;
using cudaGraphExec_t = EmulatedGraph*;
struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  size_t dynamicSmemBytes;
  cudaStream_t stream;
  void* attrs;
  unsigned numAttrs;
};

cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute, int value);
const char* cudaGetErrorName(cudaError_t);
const char* cudaGetErrorString(cudaError_t);
cudaError_t cudaGetLastError();
cudaError_t cudaGetDeviceCount(int* count);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaMemGetInfo(size_t* free, size_t* total);
cudaError_t cudaMalloc(void** data, size_t bytes);
cudaError_t cudaFree(void* data);
cudaError_t cudaMallocHost(void** data, size_t bytes);
cudaError_t cudaFreeHost(void* data);
cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind);
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream);
cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph);
cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* executable, cudaGraph_t graph,
                                          unsigned long long flags);
cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t stream);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph);

namespace bulwark::emulation {
/// Up to 48 KiB of dynamic shared memory, more only after cudaFuncSetAttribute.
bool sharedAllowed(const void* kernel, size_t bytes);
cudaError_t enqueue(const cudaLaunchConfig_t& config, std::function<void()> kernel);
}  // namespace bulwark::emulation

template <typename... Parameters, typename... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...),
                               Arguments&&... arguments) {
  if (!bulwark::emulation::sharedAllowed(reinterpret_cast<const void*>(kernel), config->dynamicSmemBytes))
    return cudaErrorInvalidValue;
  return bulwark::emulation::enqueue(
      *config, [kernel, ... copies = static_cast<Parameters>(std::forward<Arguments>(arguments))] {
        kernel(copies...);
      });
}
