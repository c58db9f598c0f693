// What is asked of cuBLAS: with a stand-in for it, which knows no more than its definition, everywhere; with
// the library where there is a GPU and it.
#include <cmath>
#include <string>
#include <vector>

#include "kernels/cuda.h"
#include "kernels/cuda/cublas.h"
#include "selftest/batch.h"
#include "selftest/harness.h"

namespace bulwark::selftest {
namespace {

using namespace bulwark::BULWARK_CUDA;

#define BULWARK_TEXT(name) #name
#define BULWARK_NAME(name) BULWARK_TEXT(name)

/// One entry a thread; matrices by columns, as BLAS has them.
__global__ void product(int opA, int opB, int m, int k, float alpha, const float* a, int rowsA,
                        long long strideA, const float* b, int rowsB, long long strideB, float beta, float* c,
                        int rowsC, long long strideC) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  const int j = static_cast<int>(blockIdx.y), batch = static_cast<int>(blockIdx.z);
  if (i >= m) return;
  a += batch * strideA;
  b += batch * strideB;
  float sum = 0;
  for (int l = 0; l < k; ++l) {
    const float left =
        opA ? a[i * static_cast<long long>(rowsA) + l] : a[l * static_cast<long long>(rowsA) + i];
    const float right =
        opB ? b[l * static_cast<long long>(rowsB) + j] : b[j * static_cast<long long>(rowsB) + l];
    sum = fmaf(left, right, sum);
  }
  float& out = c[batch * strideC + j * static_cast<long long>(rowsC) + i];
  out = beta == 0 ? alpha * sum : alpha * sum + beta * out;
}

struct StandIn {
  cudaStream_t stream = nullptr;
  int mode = 0;
};

CublasFunctions standIn() {
  CublasFunctions f;
  f.create = [](void** handle) {
    *handle = new StandIn;
    return 0;
  };
  f.destroy = [](void* handle) {
    delete static_cast<StandIn*>(handle);
    return 0;
  };
  f.setStream = [](void* handle, cudaStream_t stream) {
    static_cast<StandIn*>(handle)->stream = stream;
    return 0;
  };
  f.setMathMode = [](void* handle, int mode) {
    static_cast<StandIn*>(handle)->mode = mode;
    return 0;
  };
  f.multiply = [](void* handle, int opA, int opB, int m, int n, int k, const float* alpha, const float* a,
                  int rowsA, long long strideA, const float* b, int rowsB, long long strideB,
                  const float* beta, float* c, int rowsC, long long strideC, int count) {
    const StandIn& mine = *static_cast<StandIn*>(handle);
    if (mine.mode != 2) return 1;  // pedantic: no shorter numbers
    launch(mine.stream, product, dim3(divideUp(static_cast<size_t>(m), 32), n, count), 32, opA, opB, m, k,
           *alpha, a, rowsA, strideA, b, rowsB, strideB, *beta, c, rowsC, strideC);
    return 0;
  };
  return f;
}

void checkProducts(Context& context, const CublasFunctions& functions) {
  constexpr int kBlocks = 3, kRows = kBlocks * kLanes;
  Stream stream(std::make_shared<Memory>(size_t{1} << 28, 1));
  Cublas cublas(functions, stream);
  for (const auto& [in, out] : {std::pair{1, 1}, {7, 33}, {33, 7}, {150, 10}}) {
    const int weightRow = out + 3;
    const auto random = [&](size_t count) {
      std::vector<float> values(count);
      for (float& value : values) value = static_cast<float>(uniform(context.random, -1, 1));
      return values;
    };
    const std::vector<float> x = random(static_cast<size_t>(in) * kRows),
                             y = random(static_cast<size_t>(out) * kRows),
                             w = random(static_cast<size_t>(in) * weightRow);
    std::vector<Piece> pieces;
    const auto uploaded = [&](const std::vector<float>& values) {
      pieces.emplace_back(stream.memory(), values.size() * sizeof(float));
      stream.upload(values.data(), values.size() * sizeof(float), pieces.back().data());
      return static_cast<float*>(pieces.back().data());
    };
    float* const from = uploaded(x);
    const float* const weights = uploaded(w);
    const auto check = [&](const char* what, bool adds, auto placeOf, auto multiply) {
      // What is not added to is not read.
      float* const to = uploaded(adds ? y : std::vector<float>(y.size(), NAN));
      multiply(to);
      std::vector<float> got(y.size());
      stream.download(to, got.size() * sizeof(float), got.data());
      double worst = 0;
      for (int row = 0; row < kRows; ++row)
        for (int o = 0; o < out; ++o) {
          double sum = adds ? y[placeOf(row, o, out)] : 0.0;
          for (int i = 0; i < in; ++i)
            sum += static_cast<double>(x[placeOf(row, i, in)]) * w[static_cast<size_t>(i) * weightRow + o];
          const double error = std::fabs(got[placeOf(row, o, out)] - sum);
          worst = error <= worst ? worst : error;
        }
      context.error(std::string(what) + " " + std::to_string(in) + " -> " + std::to_string(out), worst,
                    (in + 2) * 0x1p-23 * (in + 1));
    };
    const auto inBlocks = [](int row, int feature, int features) {
      return (static_cast<size_t>(row / kLanes) * features + feature) * kLanes + row % kLanes;
    };
    for (const bool adds : {false, true})
      check(adds ? "added" : "in blocks", adds, inBlocks, [&](float* to) {
        cublas.multiply({from, in, kBlocks}, weights, weightRow, {to, out, kBlocks}, adds);
      });
    check(
        "whole", false, [](int row, int feature, int) { return static_cast<size_t>(feature) * kRows + row; },
        [&](float* to) { cublas.multiplyWhole(from, in, weights, weightRow, to, out, kRows); });
  }
}

const Test callsTest("cuBLAS, a stand-in [" BULWARK_NAME(BULWARK_CUDA) "]", [](Context& context) {
  if (const DeviceList found = devices(); found.devices.empty()) return context.skip(found.reason);
  checkProducts(context, standIn());
  CublasFunctions broken = standIn();
  broken.setMathMode = [](void*, int) { return 15; };
  std::string said;
  try {
    checkProducts(context, broken);
  } catch (const DeviceError& error) {
    said = error.what();
  }
  context.check(said == "cublasSetMathMode: status 15", "a refusal is said: " + said);
});

const Test absentTest("cuBLAS that is not there [" BULWARK_NAME(BULWARK_CUDA) "]", [](Context& context) {
  const CublasLibrary none = loadCublas({"libbulwark-has-none.so.1", "libm.so.6"});
  context.check(!none.functions.create && !none.functions.multiply, "no functions");
  context.check(none.absence.find("libbulwark-has-none.so.1") != std::string::npos &&
                    none.absence.find("libm.so.6 without cublasCreate_v2") != std::string::npos,
                "why: " + none.absence);
});

#ifndef BULWARK_CUDA_EMULATED
const Test libraryTest("cuBLAS, the library [cuda]", [](Context& context) {
  if (const DeviceList found = devices(); found.devices.empty()) return context.skip(found.reason);
  const CublasLibrary library = loadCublas();
  if (!library.functions.multiply) return context.skip(library.absence);
  checkProducts(context, library.functions);
});
#endif

}  // namespace
}  // namespace bulwark::selftest
