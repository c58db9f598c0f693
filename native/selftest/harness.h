// A test program without a framework, so that it runs on a bare machine: tests register themselves, `main`
// runs them and ends with `N passed, N failed, N skipped`.
#pragma once

#include <cstdint>
#include <random>
#include <string>

#include "kernels/device.h"

namespace bulwark::selftest {

/// What one test sees: its random numbers and where it reports.
struct Context {
  std::mt19937_64 random;
  /// Prints and counts a failure; the test goes on.
  void check(bool holds, const std::string& what);
  /// check(error <= tolerance), and the largest error seen under this name is printed with the verdict.
  void error(const std::string& what, double error, double tolerance);

  /// The test cannot run here.
  void skip(const std::string& reason);

  int failures = 0;
  std::string skipped;  // why, where it did
  std::string worst;
  double worstRatio = -1;
};

/// Whose dense products a test of a backend is about: it also runs where cuBLAS makes them: `[cublas]`, where
/// a GPU answers and the library loads, and a stand-in for it on the emulation.
enum class Products { own, ownAndCublas };

struct Test {
  Test(const char* name, void (*run)(Context&));
  /// A test of a backend: run once for every instruction set of this machine, for the CUDA kernels on their
  /// emulation, and where a GPU answers, for the GPU.
  Test(const char* name, void (*run)(Context&, Backend&), Products products = Products::own);
  Test(const char* name, void (*run)(Context&, Device&), Products products = Products::own);
  /// A test of what only CPUs do, for every instruction set.
  Test(const char* name, void (*run)(Context&, const char* instructionSet));
};

/// Runs the tests whose name contains `filter`; the process's exit code.
int runTests(uint64_t seed, const std::string& filter);

}  // namespace bulwark::selftest
