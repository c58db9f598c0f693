#include "selftest/harness.h"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "kernels/cuda.h"
#include "selftest/emulation/emulation.h"

namespace bulwark::selftest {
namespace {

struct Entry {
  std::string name;
  void (*plain)(Context&) = nullptr;
  void (*backend)(Context&, Backend&) = nullptr;
  void (*device)(Context&, Device&) = nullptr;
  void (*set)(Context&, const char*) = nullptr;
  Products products = Products::own;
};

std::vector<Entry>& entries() {
  static std::vector<Entry> list;
  return list;
}

struct Tally {
  int passed = 0, failed = 0, skipped = 0;
};

void runOne(const std::string& name, uint64_t seed, const std::function<void(Context&)>& run, Tally& tally) {
  Context context;
  context.random.seed(seed);
  try {
    run(context);
  } catch (const std::exception& error) {
    context.check(false, std::string("threw: ") + error.what());
  }
  if (context.failures == 0 && !context.skipped.empty()) {
    std::printf("skip %s: %s\n", name.c_str(), context.skipped.c_str());
    ++tally.skipped;
    return;
  }
  (context.failures == 0 ? tally.passed : tally.failed) += 1;
  std::printf("%s %s%s%s\n", context.failures == 0 ? "ok  " : "FAIL", name.c_str(),
              context.worst.empty() ? "" : ": ", context.worst.c_str());
}

/// What a test of a backend runs on; no device: why not here.
struct Target {
  const char* name;
  std::shared_ptr<Device> device;
  std::string absent;
  bool gpu = false;
  Products products = Products::own;  // those of the tests that it is for
};

class InstructionSet final : public Device {
 public:
  explicit InstructionSet(const char* name) : name_(name) {}
  const char* kind() const override { return "cpu"; }
  std::unique_ptr<Backend> makeBackend() override { return makeCpuBackend(name_); }
  std::unique_ptr<Dense> makeDense(int threads) override { return makeCpuDense(threads, name_); }
  int batchesAtOnce(int threads) const override { return threads; }

 private:
  const char* const name_;
};

/// The GPU with cuBLAS.
Target cublasTarget(const Target& gpu) {
  Target made{"cublas", nullptr, gpu.absent, true, Products::ownAndCublas};
  try {
    if (gpu.device) made.device = cuda::withCublas(gpu.device);
  } catch (const DeviceError& error) {
    made.absent = error.what();
  }
  return made;
}

std::vector<Target> targets() {
  std::vector<Target> all;
  const std::vector<const char*> sets = cpuInstructionSets();
  for (const char* const known : {"avx512", "avx2", "portable"}) {
    const bool runs = std::any_of(sets.begin(), sets.end(),
                                  [&](const char* set) { return std::string_view(set) == known; });
    all.push_back(
        {known, runs ? std::make_shared<InstructionSet>(known) : nullptr, "this machine does not run it"});
  }
  // Every allocation by itself, so that the emulation sees what is written beside it.
  all.push_back({"cuda-emulated", cuda_emulated::openDevice(size_t{1} << 30, 1, true), "", true});
  const cuda::DeviceList found = cuda::devices();
  all.push_back({"cuda", found.devices.empty() ? nullptr : cuda::openDevice(), found.reason, true});
  all.push_back({"cublas-emulated", cuda_emulated::withCublasStandIn(all[all.size() - 2].device), "", true,
                 Products::ownAndCublas});
  all.push_back(cublasTarget(all[all.size() - 2]));
  return all;
}

}  // namespace

void Context::check(bool holds, const std::string& what) {
  if (holds) return;
  if (++failures <= 10) std::printf("     failed: %s\n", what.c_str());
}

void Context::skip(const std::string& reason) { skipped = reason; }

void Context::error(const std::string& what, double error, double tolerance) {
  char text[256];
  std::snprintf(text, sizeof text, "%s: error %.2g (allowed %.2g)", what.c_str(), error, tolerance);
  if (const double ratio = error / tolerance; !(ratio <= worstRatio)) {
    worstRatio = ratio;
    worst = text;
  }
  check(error <= tolerance, text);
}

Test::Test(const char* name, void (*run)(Context&)) { entries().push_back({.name = name, .plain = run}); }
Test::Test(const char* name, void (*run)(Context&, Backend&), Products products) {
  entries().push_back({.name = name, .backend = run, .products = products});
}
Test::Test(const char* name, void (*run)(Context&, Device&), Products products) {
  entries().push_back({.name = name, .device = run, .products = products});
}

Test::Test(const char* name, void (*run)(Context&, const char*)) {
  entries().push_back({.name = name, .set = run});
}

int runTests(uint64_t seed, const std::string& filter) {
  std::printf("seed %llu (repeat with --seed)\n", static_cast<unsigned long long>(seed));
  Tally tally;
  const std::vector<Target> all = targets();
  for (const Entry& entry : entries()) {
    if (entry.plain) {
      if (entry.name.find(filter) != std::string::npos) runOne(entry.name, seed, entry.plain, tally);
      continue;
    }
    for (const Target& target : all) {
      const std::string name = entry.name + " [" + target.name + "]";
      if (entry.set && target.gpu) continue;
      if (target.products > entry.products) continue;
      if (name.find(filter) == std::string::npos) continue;
      if (!target.device) {
        std::printf("skip %s: %s\n", name.c_str(), target.absent.c_str());
        ++tally.skipped;
        continue;
      }
      runOne(
          name, seed,
          [&](Context& context) {
            if (entry.set) return entry.set(context, target.name);
            if (entry.device) return entry.device(context, *target.device);
            const std::unique_ptr<Backend> backend = target.device->makeBackend();
            entry.backend(context, *backend);
            context.check(emulation::guardsIntact(), "nothing is written beside an allocation");
          },
          tally);
    }
  }
  std::printf("%d passed, %d failed, %d skipped\n", tally.passed, tally.failed, tally.skipped);
  return tally.failed == 0 && tally.passed > 0 ? 0 : 1;
}

}  // namespace bulwark::selftest
