// NVIDIA's library of products, where the system has it: what this project's own products are measured
// against. Bounds do not use it. Which of its kernels makes a product, and so in which order a row's sums are
// added, is its own affair and may follow from the number of rows; here a row's bits are to be the same
// whatever else is in the batch.
#pragma once

#include <string>
#include <vector>

#include "kernels/cuda/stream.h"

namespace bulwark::BULWARK_CUDA {

/// The functions that are used, as the library's header declares them; they return 0, or else an error.
struct CublasFunctions {
  int (*create)(void** handle) = nullptr;
  int (*destroy)(void* handle) = nullptr;
  int (*setStream)(void* handle, cudaStream_t stream) = nullptr;
  int (*setMathMode)(void* handle, int mode) = nullptr;
  /// cublasSgemmStridedBatched: c = alpha op(a) op(b) + beta c of matrices by columns.
  int (*multiply)(void* handle, int opA, int opB, int m, int n, int k, const float* alpha, const float* a,
                  int rowsA, long long strideA, const float* b, int rowsB, long long strideB,
                  const float* beta, float* c, int rowsC, long long strideC, int count) = nullptr;
};

struct CublasLibrary {
  CublasFunctions functions;
  std::string absence;  // why there are none, where there are none
};

/// The first of these libraries that loads and has all of the functions. Never throws.
CublasLibrary loadCublas(const std::vector<const char*>& names = {"libcublas.so.13", "libcublas.so.12",
                                                                  "libcublas.so.11"});

class Cublas {
 public:
  /// Throws DeviceError where the library refuses.
  Cublas(const CublasFunctions& functions, Stream& stream);
  ~Cublas() { functions_.destroy(handle_); }
  Cublas(const Cublas&) = delete;
  Cublas& operator=(const Cublas&) = delete;

  /// out (+)= W in for every row, in float32 without tensor cores' shorter numbers. `weights`: W by columns,
  /// `weightRow` floats from one to the next.
  void multiply(View in, const float* weights, int weightRow, View out, bool accumulate);
  /// The same for rows that are not cut into blocks: in [in.features][rows].
  void multiplyWhole(const float* in, int inputs, const float* weights, int weightRow, float* out,
                     int outputs, int rows);

 private:
  void call(int status, const char* what) const;

  const CublasFunctions functions_;
  void* handle_ = nullptr;
};

}  // namespace bulwark::BULWARK_CUDA
