// Measuring kernels: shared by `selftest --bench-core` and by the comparison with other libraries in
// bench/native.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "kernels/backend.h"
#include "network/network.h"

namespace bulwark::selftest {

/// Seconds of one call: the fastest of many, over about `budget` seconds.
double fastest(const std::function<void()>& call, double budget = 0.4);

/// Binds this thread to the core it runs on, where the system allows it.
void stayOnOneCore();

/// One affine operator applied to a batch.
struct AffineProblem {
  std::string name;
  Affine affine;
  Pass pass;
  int rows;      // the rows that count; the batch is as many blocks as hold them
  double flops;  // of those rows
};

AffineProblem linearProblem(const std::string& name, int in, int out, Pass pass, int rows);
AffineProblem convProblem(const std::string& name, Shape in, int channels, int kernel, int stride, int pad,
                          Pass pass, int rows);
/// The three problems that are compared with other libraries.
std::vector<AffineProblem> comparedProblems();

/// Seconds of one apply on this backend, inputs random.
double measure(Backend& backend, const AffineProblem& problem);

/// Peak of independent fused multiply-adds (GFLOP/s), and of copying within the second cache and in memory
/// (GB/s, read plus written).
double peakGflops(const std::string& instructionSet);
double copyGigabytes(size_t bytes);

/// Prints GFLOP/s and GB/s of the kernels beside this core's ceilings; the process's exit code.
int runCoreBench();
/// Prints kernels and whole bounds on the CPU and, where one answers, on the GPU, in the same run.
int runBench();
/// Prints the peak of multiply-adds alone: what other measurements on this machine are held against.
int runPeak();

}  // namespace bulwark::selftest
