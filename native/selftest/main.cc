// selftest [--seed N] [FILTER]: tests every kernel. selftest --bench: measures them on one core,
// --bench-devices also on the GPU, with whole bounds; --peak: the core alone.
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
    if (std::strcmp(arguments[i], "--bench-devices") == 0) return runDeviceBench();
    if (std::strcmp(arguments[i], "--peak") == 0) return runPeak();
    if (std::strcmp(arguments[i], "--seed") == 0 && i + 1 < count) {
      seed = std::stoull(arguments[++i]);
    } else if (arguments[i][0] == '-') {
      std::fprintf(stderr,
                   "usage: selftest [--seed N] [FILTER] | selftest --bench | --bench-devices | --peak\n");
      return 2;
    } else {
      filter = arguments[i];
    }
  }
  return runTests(seed, filter);
}
