#include "selftest/harness.h"

#include <cstdio>
#include <exception>
#include <functional>
#include <memory>
#include <vector>

namespace bulwark::selftest {
namespace {

struct Entry {
  std::string name;
  void (*plain)(Context&) = nullptr;
  void (*backend)(Context&, Backend&) = nullptr;
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
  (context.failures == 0 ? tally.passed : tally.failed) += 1;
  std::printf("%s %s%s%s\n", context.failures == 0 ? "ok  " : "FAIL", name.c_str(),
              context.worst.empty() ? "" : ": ", context.worst.c_str());
}

}  // namespace

void Context::check(bool holds, const std::string& what) {
  if (holds) return;
  if (++failures <= 10) std::printf("     failed: %s\n", what.c_str());
}

void Context::error(const std::string& what, double error, double tolerance) {
  char text[256];
  std::snprintf(text, sizeof text, "%s: error %.2g (allowed %.2g)", what.c_str(), error, tolerance);
  if (const double ratio = error / tolerance; !(ratio <= worstRatio)) {
    worstRatio = ratio;
    worst = text;
  }
  check(error <= tolerance, text);
}

Test::Test(const char* name, void (*run)(Context&)) { entries().push_back({name, run, nullptr}); }
Test::Test(const char* name, void (*run)(Context&, Backend&)) { entries().push_back({name, nullptr, run}); }

int runTests(uint64_t seed, const std::string& filter) {
  std::printf("seed %llu (repeat with --seed)\n", static_cast<unsigned long long>(seed));
  Tally tally;
  const std::vector<const char*> sets = cpuInstructionSets();
  for (const Entry& entry : entries()) {
    if (entry.name.find(filter) == std::string::npos) continue;
    if (entry.plain) {
      runOne(entry.name, seed, entry.plain, tally);
      continue;
    }
    for (const char* const known : {"avx512", "avx2", "portable"}) {
      const std::string name = entry.name + " [" + known + "]";
      bool runs = false;
      for (const char* set : sets) runs = runs || std::string(set) == known;
      if (!runs) {
        std::printf("skip %s: this machine does not run it\n", name.c_str());
        ++tally.skipped;
        continue;
      }
      const std::unique_ptr<Backend> backend = makeCpuBackend(known);
      runOne(name, seed, [&](Context& context) { entry.backend(context, *backend); }, tally);
    }
  }
  std::printf("%d passed, %d failed, %d skipped\n", tally.passed, tally.failed, tally.skipped);
  return tally.failed == 0 && tally.passed > 0 ? 0 : 1;
}

}  // namespace bulwark::selftest
