// selftest [--seed N] [FILTER]: tests every kernel. selftest --bench: measures them and whole bounds, on the
// CPU and on the GPU if one answers; --bench-core: kernels on one core; --peak: the core alone.
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>

#include "selftest/bench.h"
#include "selftest/harness.h"

int main(int count, char** arguments) {
  using namespace bulwark::selftest;
  uint64_t seed =
      static_cast<uint64_t>(std::chrono::system_clock::now().time_since_epoch().count()) % 1000000;
  std::string filter;
  for (int i = 1; i < count; ++i) {
    if (std::strcmp(arguments[i], "--bench") == 0) return runBench();
    if (std::strcmp(arguments[i], "--bench-core") == 0) return runCoreBench();
    if (std::strcmp(arguments[i], "--peak") == 0) return runPeak();
    if (std::strcmp(arguments[i], "--seed") == 0 && i + 1 < count) {
      seed = std::stoull(arguments[++i]);
    } else if (arguments[i][0] == '-') {
      std::fprintf(stderr,
                   "usage: selftest [--seed N] [FILTER] | selftest --bench | --bench-core | --peak\n");
      return 2;
    } else {
      filter = arguments[i];
    }
  }
  return runTests(seed, filter);
}
