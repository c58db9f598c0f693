// NVIDIA's library of products, where the system has it: what this project's own products are measured
// against, and what makes them for a device that is asked to (withCublas). Which of its kernels makes a
// product, and so in which order a row's sums are added, is its own affair and may follow from the number of
// rows, while elsewhere here a row's bits are the same whatever else is in the batch: so nothing uses it
// unasked.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "kernels/cuda/stream.h"

namespace bulwark::BULWARK_CUDA {

/// The functions that are used, as the library's header declares them; they return 0, or else an error.
struct CublasFunctions {
  int (*create)(void** handle) = nullptr;
  int (*destroy)(void* handle) = nullptr;
  int (*setStream)(void* handle, cudaStream_t stream) = nullptr;
  int (*setWorkspace)(void* handle, void* workspace, size_t bytes) = nullptr;
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
CublasLibrary loadCublas(const std::vector<std::string>& names = {"libcublas.so.13", "libcublas.so.12",
                                                                  "libcublas.so.11"});

/// A handle of the library with memory of its own to work in, on one stream at a time.
class Cublas {
 public:
  /// Throws DeviceError where the library refuses, DeviceMemoryError where its memory finds no room.
  Cublas(const CublasFunctions& functions, const Stream& stream);
  ~Cublas() { functions_.destroy(handle_); }
  Cublas(const Cublas&) = delete;
  Cublas& operator=(const Cublas&) = delete;

  /// Products are queued there from now on. The stream before must have done its own.
  void serve(const Stream& stream);

  /// out (+)= W in for every row, in float32 without tensor cores' shorter numbers. `weights`: W by columns,
  /// `weightRow` floats from one to the next.
  void multiply(View in, const float* weights, int weightRow, View out, bool accumulate);
  /// The same for rows that are not cut into blocks: in [in.features][rows].
  void multiplyWhole(const float* in, int inputs, const float* weights, int weightRow, float* out,
                     int outputs, int rows);

 private:
  void call(int status, const char* what) const;

  const CublasFunctions functions_;
  const Piece workspace_;
  void* handle_ = nullptr;
};

/// Handles for backends, kept because the library takes milliseconds to make one. For any number of threads.
class CublasHandles : public std::enable_shared_from_this<CublasHandles> {
 public:
  explicit CublasHandles(const CublasFunctions& functions) : functions_(functions) {}

  /// One that serves this stream alone as long as the pointer lasts, whose end waits for the stream. Throws
  /// as Cublas does.
  std::shared_ptr<Cublas> lend(const std::shared_ptr<Stream>& stream);

 private:
  const CublasFunctions functions_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Cublas>> free_;
};

/// As withCublas of kernels/cuda.h, with these functions.
std::shared_ptr<Device> withCublas(const std::shared_ptr<Device>& device, const CublasFunctions& functions);

}  // namespace bulwark::BULWARK_CUDA
