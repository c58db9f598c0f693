// What is asked of cuBLAS: with a stand-in for it, which knows no more than its definition, everywhere; with
// the library where there is a GPU and it.
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "kernels/cuda.h"
#include "kernels/cuda/cublas.h"
#include "selftest/batch.h"
#include "selftest/cublas_stand_in.h"
#include "selftest/harness.h"

namespace bulwark::selftest {
namespace {

using namespace bulwark::BULWARK_CUDA;

#define BULWARK_TEXT(name) #name
#define BULWARK_NAME(name) BULWARK_TEXT(name)

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
  checkProducts(context, cublasStandIn());
  CublasFunctions broken = cublasStandIn();
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

const Test handlesTest("cuBLAS, handles of backends [" BULWARK_NAME(BULWARK_CUDA) "]", [](Context& context) {
  if (const DeviceList found = devices(); found.devices.empty()) return context.skip(found.reason);
  const auto plain = openDevice(size_t{1} << 28, 1);
  const long before = cublasStandInHandles();
  const auto device = withCublas(plain, cublasStandIn());
  for (int round = 0; round < 3; ++round) {
    const auto one = device->makeBackend(), other = device->makeBackend();
    context.check(one->memoryLeft() == plain->makeBackend()->memoryLeft(), "memory is shared");
  }
  context.check(cublasStandInHandles() - before == 2, "as many as there are backends at once");
  const auto fails = [&](const char* what, const std::string& wanted, const std::function<void()>& call) {
    std::string said;
    try {
      call();
    } catch (const DeviceError& error) {
      said = error.what();
    }
    context.check(said.find(wanted) != std::string::npos, std::string(what) + ": " + said);
  };
  fails("a file that is not there", "none that can be used: libbulwark-has-none.so.1",
        [&] { withCublas(plain, "libbulwark-has-none.so.1"); });
  fails("a library that is another", "libm.so.6 without cublasCreate_v2",
        [&] { withCublas(plain, "libm.so.6"); });
  fails("a CPU", "device of kind 'cpu'", [&] { withCublas(cpuDevice(), cublasStandIn()); });
  CublasFunctions broken = cublasStandIn();
  broken.create = [](void**) { return 1; };
  fails("a library that refuses", "cublasCreate: status 1", [&] { withCublas(plain, broken); });
  fails("no room to work in", "budget", [&] { withCublas(openDevice(size_t{1} << 20, 1), cublasStandIn()); });
});

// What is documented as lost, too: else the tests of whole bounds would say nothing of it.
const Test linearTest(
    "cuBLAS makes products of linear operators alone [" BULWARK_NAME(BULWARK_CUDA) "]", [](Context& context) {
      if (const DeviceList found = devices(); found.devices.empty()) return context.skip(found.reason);
      constexpr int kIn = 18, kOut = 20;
      Random& random = context.random;
      const auto numbers = [&](size_t count) {
        std::vector<double> values(count);
        for (double& value : values) value = uniform(random, -1, 1);
        return values;
      };
      const Linear linear{kIn, kOut, numbers(size_t{kIn} * kOut), numbers(kOut)};
      Conv conv;
      conv.in = conv.out = {2, 3, 3};
      conv.kernel = conv.strides = conv.dilations = {1, 1};
      conv.weight = numbers(4);
      conv.bias = numbers(kIn);
      std::vector<float> row(kIn);
      for (float& value : row) value = static_cast<float>(uniform(random, -1, 1));
      /// Row 0 behind the operator, in a batch of so many blocks.
      const auto behind = [&](Backend& backend, const Affine& affine, int blocks) {
        const auto plan = backend.plan(affine);
        Batch x(backend, kIn, blocks), y(backend, outputSize(affine), blocks), back(backend, kIn, blocks);
        x.set([&](int, int feature) { return row[static_cast<size_t>(feature)]; });
        backend.apply(*plan, Pass::magnitude, x.view(), y.view(), Write::assign);
        backend.apply(*plan, Pass::forward, x.view(), y.view(), Write::assign);
        backend.apply(*plan, Pass::adjoint, y.view(), back.view(), Write::assign);
        const std::vector<float>& all = back.get();
        return std::vector<float>(all.begin(), all.begin() + kIn);
      };
      const auto plain = openDevice(size_t{1} << 28, 1);
      const auto own = plain->makeBackend(), library = withCublas(plain, cublasStandIn())->makeBackend();
      const long before = cublasStandInProducts();
      context.check(behind(*own, linear, 1) == behind(*own, linear, 2),
                    "own kernels: the same bits in any batch");
      behind(*library, conv, 1);
      context.check(cublasStandInProducts() == before, "neither without it nor of a convolution");
      const std::vector<float> small = behind(*library, linear, 1), large = behind(*library, linear, 2);
      context.check(cublasStandInProducts() == before + 6, "all three passes");
      context.check(small != large, "the batch decides the last bits");
      for (size_t i = 0; i < small.size(); ++i)
        context.error("and no more", std::fabs(small[i] - large[i]), 1e-4);
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
