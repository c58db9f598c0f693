// selftest --bench-core: one thread, the best instruction set, every figure beside what the core can do at
// most.
#include "selftest/bench.h"

#include <algorithm>
#include <cstdio>
#include <thread>

#include "kernels/cuda.h"
#include "selftest/batch.h"
#include "selftest/device_bench.h"
#include "selftest/training_bench.h"

namespace bulwark::selftest {
namespace {

/// The peak is taken anew beside every figure, for the core's clock follows what else the machine does.
void printAffine(Backend& backend, const AffineProblem& problem) {
  const double peak = peakGflops(backend.name());
  const double seconds = measure(backend, problem), gflops = problem.flops / seconds / 1e9;
  std::printf("%-52s %9.1f us %8.1f GFLOP/s %5.1f %% of peak\n", problem.name.c_str(), seconds * 1e6, gflops,
              100 * gflops / peak);
}

void printLayers(Backend& backend) {
  for (const AffineProblem& problem : comparedProblems()) printAffine(backend, problem);
  for (const Pass pass : {Pass::forward, Pass::adjoint}) {
    const std::string way = pass == Pass::forward ? "forward" : "adjoint";
    std::printf("layers of the published networks, 144 rows, %s (padding counts as work, but is skipped)\n",
                way.c_str());
    const auto conv = [&](const char* name, Shape in, int channels, int pad) {
      printAffine(backend, convProblem(name, in, channels, 4, 2, pad, pass, 144));
    };
    conv("  mnist conv 1 -> 16, 28x28, k4 s2 p1", {1, 28, 28}, 16, 1);
    conv("  mnist conv 16 -> 32, 14x14, k4 s2 p1", {16, 14, 14}, 32, 1);
    conv("  cifar conv 3 -> 16, 32x32, k4 s2", {3, 32, 32}, 16, 0);
    conv("  cifar conv 16 -> 32, 15x15, k4 s2", {16, 15, 15}, 32, 0);
    for (const auto& [in, out] : {std::pair{784, 100}, std::pair{1152, 100}, std::pair{100, 10}})
      printAffine(backend, linearProblem("  linear " + std::to_string(in) + " -> " + std::to_string(out), in,
                                         out, pass, 144));
  }
}

void printStream(const char* name, double seconds, double bytes, double neurons) {
  std::printf("%-52s %9.1f us %8.1f GB/s %8.3f ns per neuron and row\n", name, seconds * 1e6,
              bytes / seconds / 1e9, seconds / neurons * 1e9);
}

/// The ReLU kernels on a batch that stays in the second cache and on one that does not.
void printRelu(Backend& backend, int features, int blocks) {
  Random random(3);
  const auto batch = [&](double low, double high) {
    auto made = std::make_unique<Batch>(backend, features, blocks);
    made->set([&](int, int) { return uniform(random, low, high); });
    return made;
  };
  const auto zhat = batch(-1, 1), lower = batch(-1, 0), upper = batch(0, 1), slope = batch(0, 1),
             c = batch(-1, 1);
  const auto v = batch(0, 0), dz = batch(-1, 1), y = batch(-1, 1), first = batch(0, 0), second = batch(0, 0);
  RowValues lambda(backend, blocks), distance2(backend, blocks), step(backend, blocks),
      correction(backend, blocks);
  RowSums value(backend, blocks);
  lambda.set([&](int) { return uniform(random, 0.1, 1); });
  step.set([&](int) { return 1e-6; });
  correction.set([&](int) { return 1; });
  const Adam adam{first->view(), second->view(), step.device(), correction.device(), 0.9f, 0.999f};
  const double neurons = static_cast<double>(features) * zhat->rows(), array = neurons * sizeof(float);
  std::printf("%d features, %d rows\n", features, zhat->rows());
  for (const SlopeRule rule : {SlopeRule::free, SlopeRule::box}) {
    const ReluLayer layer{zhat->view(),    lower->view(), upper->view(), slope->view(),
                          lambda.device(), rule,          false};
    const bool free = rule == SlopeRule::free;
    printStream(free ? "  reluDual, free slopes" : "  reluDual, box slopes", fastest([&] {
                  backend.reluDual(layer, c->view(), nullptr, v->view(), dz->view(), value.device(),
                                   distance2.device());
                }),
                7 * array, neurons);
    printStream(free ? "  reluAscend, free slopes" : "  reluAscend, box slopes",
                fastest([&] { backend.reluAscend(layer, y->view(), dz->view(), c->view(), adam); }),
                (free ? 11 : 13) * array, neurons);
  }
  InputRegion region{InputKind::l2, true, lower->view(), upper->view(), correction.device(), step.device()};
  printStream("  inputDual, clipped l2, 2 steps",
              fastest([&] { backend.inputDual(region, c->view(), 2, dz->view(), value.device()); }),
              10 * array, neurons);
}

constexpr double kTrainingBudget = 0.2;  // seconds a figure

}  // namespace

int runCoreBench() {
  stayOnOneCore();
  const std::unique_ptr<Backend> backend = makeCpuBackend();
  std::printf("%s: peak %.1f GFLOP/s of multiply-adds; copy %.1f GB/s in 512 KiB, %.1f GB/s in 128 MiB\n",
              backend->name(), peakGflops(backend->name()), copyGigabytes(size_t{1} << 18),
              copyGigabytes(size_t{1} << 26));
  printLayers(*backend);
  printRelu(*backend, 256, 1);
  printRelu(*backend, 4096, 9);
  return 0;
}

int runBench() {
  const int threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  std::printf("--- CPU, %d threads for whole bounds, one for kernels ---\n", threads);
  benchDevice(*cpuDevice(), threads, cpuScale(), 1e9 * peakGflops(cpuInstructionSets().front()), stdout);
  benchTraining(*cpuDevice(), 1, kTrainingBudget, stdout);
  const cuda::DeviceList found = cuda::devices();
  if (found.devices.empty()) {
    std::printf("--- no GPU: %s ---\n", found.reason.c_str());
    return 0;
  }
  std::printf("--- GPU ---\n");
  const double peak = cuda::multiplyAddCeiling();
  benchDevice(*cuda::openDevice(), threads, deviceScale(), peak, stdout, cuda::cublasProduct);
  benchTraining(*cuda::openDevice(), 1, kTrainingBudget, stdout);
  std::printf("--- GPU, kernels launched one by one instead of as graphs ---\n");
  BenchScale whole = deviceScale();
  whole.kernels = false;
  benchDevice(*cuda::openDevice(0, size_t{256} << 20, false), threads, whole, peak, stdout);
  std::printf("--- GPU, products of linear operators by cuBLAS ---\n");
  try {
    benchDevice(*cuda::withCublas(cuda::openDevice()), threads, whole, peak, stdout);
  } catch (const DeviceError& error) {
    std::printf("%s\n", error.what());
  }
  return 0;
}

int runPeak() {
  const char* set = cpuInstructionSets().front();
  std::printf("%s: peak %.1f GFLOP/s of multiply-adds\n", set, peakGflops(set));
  return 0;
}

}  // namespace bulwark::selftest
