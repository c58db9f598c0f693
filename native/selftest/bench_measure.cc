#include <algorithm>
#include <chrono>
#include <cstring>
#include <random>

#include "selftest/batch.h"
#include "selftest/bench.h"

#if defined(__linux__)
#include <sched.h>
#include <time.h>
#endif

namespace bulwark::selftest {
namespace {

/// This thread's seconds of processor time, where the system counts them: a busy machine then disturbs less.
double now() {
#if defined(__linux__)
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
#else
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
#endif
}

std::vector<double> smallNumbers(size_t count) {
  Random random(1);
  std::vector<double> values(count);
  for (double& value : values) value = uniform(random, -0.1, 0.1);
  return values;
}

// A chain of multiply-adds waits for itself; this many side by side keep every unit busy.
constexpr int kChains = 24;

template <typename Lanes>
static inline __attribute__((always_inline)) float chains(int steps, float factor) {
  Lanes sums[kChains], x = factor - Lanes{}, y = x;
  for (int i = 0; i < kChains; ++i) sums[i] = x * static_cast<float>(i);  // equal chains would be merged
  for (int step = 0; step < steps; ++step) {
#pragma GCC unroll 24
    for (int i = 0; i < kChains; ++i) sums[i] = sums[i] * x + y;
  }
  Lanes total{};
  for (int i = 0; i < kChains; ++i) total += sums[i];
  return total[0];
}

typedef float Lanes4 __attribute__((vector_size(16)));
typedef float Lanes8 __attribute__((vector_size(32)));
typedef float Lanes16 __attribute__((vector_size(64)));

#if defined(__x86_64__)
__attribute__((target("avx512f"))) float peakAvx512(int steps, float x) { return chains<Lanes16>(steps, x); }
__attribute__((target("avx2,fma"))) float peakAvx2(int steps, float x) { return chains<Lanes8>(steps, x); }
#endif
float peakPortable(int steps, float x) { return chains<Lanes4>(steps, x); }

volatile float sink;

}  // namespace

double fastest(const std::function<void()>& call, double budget) {
  call();
  const double start = now();
  double best = 1e30;
  int calls = 1;  // so many that the clock's grain does not matter
  do {
    const double begin = now();
    for (int i = 0; i < calls; ++i) call();
    const double seconds = now() - begin;
    best = std::min(best, seconds / calls);
    if (seconds < 2e-4) calls *= 2;
  } while (now() - start < budget);
  return best;
}

void stayOnOneCore() {
#if defined(__linux__)
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(sched_getcpu(), &cores);
  sched_setaffinity(0, sizeof cores, &cores);
#endif
}

AffineProblem linearProblem(const std::string& name, int in, int out, Pass pass, int rows) {
  const size_t size = static_cast<size_t>(in) * out;
  return {name, Linear{in, out, smallNumbers(size), smallNumbers(out)}, pass, rows, 2.0 * size * rows};
}

AffineProblem convProblem(const std::string& name, Shape in, int channels, int kernel, int stride, int pad,
                          Pass pass, int rows) {
  Conv conv;
  conv.in = in;
  conv.out = {channels, (in.height + 2 * pad - kernel) / stride + 1,
              (in.width + 2 * pad - kernel) / stride + 1};
  conv.kernel = {kernel, kernel};
  conv.strides = {stride, stride};
  conv.dilations = {1, 1};
  conv.pads = {pad, pad};
  conv.weight = smallNumbers(static_cast<size_t>(channels) * in.channels * kernel * kernel);
  conv.bias = smallNumbers(conv.out.size());
  const double flops = 2.0 * conv.weight.size() * conv.out.pixels() * rows;
  return {name, conv, pass, rows, flops};
}

std::vector<AffineProblem> comparedProblems() {
  return {
      linearProblem("linear 1024 -> 1024, 1024 rows", 1024, 1024, Pass::forward, 1024),
      linearProblem("linear 8192 -> 250, 90 rows", 8192, 250, Pass::forward, 90),
      linearProblem("linear 250 <- 8192, 90 rows, adjoint", 250, 8192, Pass::adjoint, 90),
      convProblem("conv 64 -> 64, 16x16, k3 p1, 90 rows, adjoint", {64, 16, 16}, 64, 3, 1, 1, Pass::adjoint,
                  90),
  };
}

double measure(Backend& backend, const AffineProblem& problem) {
  const auto plan = backend.plan(problem.affine);
  const int blocks = (problem.rows + backend.lanes() - 1) / backend.lanes();
  const auto features = [&](bool output) {
    if (const auto* linear = std::get_if<Linear>(&problem.affine)) return output ? linear->out : linear->in;
    const auto& conv = std::get<Conv>(problem.affine);
    return output ? conv.out.size() : conv.in.size();
  };
  const bool adjoint = problem.pass == Pass::adjoint;
  Batch in(backend, features(adjoint), blocks), out(backend, features(!adjoint), blocks);
  Random random(2);
  in.set([&](int, int) { return uniform(random, -1, 1); });
  return fastest([&] { backend.apply(*plan, problem.pass, in.view(), out.view(), Write::assign); });
}

double peakGflops(const std::string& instructionSet) {
  constexpr int kSteps = 20000;
  int width = 4;
  float (*run)(int, float) = peakPortable;
#if defined(__x86_64__)
  if (instructionSet == "avx512") {
    width = 16;
    run = peakAvx512;
  } else if (instructionSet == "avx2") {
    width = 8;
    run = peakAvx2;
  }
#endif
  volatile float x = 0.5f;
  return 2.0 * kSteps * kChains * width / fastest([&] { sink = run(kSteps, x); }, 0.1) / 1e9;
}

double copyGigabytes(size_t bytes) {
  std::vector<char> from(bytes, 1), to(bytes);
  return 2.0 * bytes / fastest([&] {
           std::memcpy(to.data(), from.data(), bytes);
           sink = to[bytes / 2];
         }) /
         1e9;
}

}  // namespace bulwark::selftest
