// The stand-in for cuBLAS under the library's own names, so that an addon whose GPU is the emulation can be
// given as the file of the library; and for the self-test, which links it.
#include "kernels/cuda.h"
#include "selftest/cublas_stand_in.h"
#include "selftest/emulation/emulation.h"

namespace bulwark::cuda_emulated {
namespace {

const CublasFunctions& functions() {
  static const CublasFunctions only = cublasStandIn();
  return only;
}

}  // namespace

std::shared_ptr<Device> withCublasStandIn(const std::shared_ptr<Device>& device) {
  return withCublas(device, functions());
}

}  // namespace bulwark::cuda_emulated

using bulwark::cuda_emulated::functions;

#define BULWARK_EXPORTED extern "C" __attribute__((visibility("default"))) int

BULWARK_EXPORTED cublasCreate_v2(void** handle) { return functions().create(handle); }
BULWARK_EXPORTED cublasDestroy_v2(void* handle) { return functions().destroy(handle); }
BULWARK_EXPORTED cublasSetStream_v2(void* handle, cudaStream_t stream) {
  return functions().setStream(handle, stream);
}
BULWARK_EXPORTED cublasSetWorkspace_v2(void* handle, void* workspace, size_t bytes) {
  return functions().setWorkspace(handle, workspace, bytes);
}
BULWARK_EXPORTED cublasSetMathMode(void* handle, int mode) { return functions().setMathMode(handle, mode); }
BULWARK_EXPORTED cublasSgemmStridedBatched(void* handle, int opA, int opB, int m, int n, int k,
                                           const float* alpha, const float* a, int rowsA, long long strideA,
                                           const float* b, int rowsB, long long strideB, const float* beta,
                                           float* c, int rowsC, long long strideC, int count) {
  return functions().multiply(handle, opA, opB, m, n, k, alpha, a, rowsA, strideA, b, rowsB, strideB, beta, c,
                              rowsC, strideC, count);
}
