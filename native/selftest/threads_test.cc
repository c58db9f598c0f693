// The thread pool: every iteration once, errors, loops inside loops, several callers.
#include <atomic>
#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "kernels/thread_pool.h"
#include "selftest/harness.h"

namespace bulwark::selftest {
namespace {

const Test coverTest("threads: every iteration runs once", [](Context& context) {
  for (const int threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    context.check(pool.size() == threads, "size");
    for (const int count : {0, 1, 2, 7, 1000}) {
      std::vector<std::atomic<int>> runs(count);
      std::vector<std::atomic<int>> busy(threads);
      std::atomic<bool> clash = false;
      pool.parallelFor(count, [&](long index, int worker) {
        if (worker < 0 || worker >= threads || busy[worker].fetch_add(1) != 0) clash = true;
        ++runs[index];
        --busy[worker];
      });
      for (int i = 0; i < count; ++i) context.check(runs[i] == 1, "iteration " + std::to_string(i));
      context.check(!clash, "no two bodies share a worker number");
    }
  }
});

const Test errorTest("threads: the first exception stops the loop and reaches its caller",
                     [](Context& context) {
                       for (const int threads : {1, 4}) {
                         ThreadPool pool(threads);
                         std::atomic<int> runs = 0;
                         std::string caught;
                         try {
                           pool.parallelFor(1000, [&](long index, int) {
                             ++runs;
                             if (index == 3) throw std::runtime_error("three");
                             std::this_thread::sleep_for(std::chrono::microseconds(100));
                           });
                         } catch (const std::runtime_error& error) {
                           caught = error.what();
                         }
                         context.check(caught == "three", "the exception arrives");
                         context.check(runs < 1000, "iterations after it are dropped");
                         runs = 0;
                         pool.parallelFor(10, [&](long, int) { ++runs; });
                         context.check(runs == 10, "the pool works on");
                       }
                     });

const Test nestedTest("threads: loops inside loops", [](Context& context) {
  for (const int threads : {1, 2, 4}) {
    ThreadPool pool(threads);
    std::atomic<int> runs = 0;
    pool.parallelFor(6, [&](long, int) {
      pool.parallelFor(5, [&](long, int) { pool.parallelFor(4, [&](long, int) { ++runs; }); });
    });
    context.check(runs == 6 * 5 * 4, "all inner iterations ran");
  }
});

const Test callersTest("threads: several callers at once", [](Context& context) {
  ThreadPool pool(3);
  std::atomic<int> runs = 0;
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 6; ++caller)
    callers.emplace_back([&] {
      for (int loop = 0; loop < 50; ++loop) pool.parallelFor(20, [&](long, int) { ++runs; });
    });
  for (std::thread& caller : callers) caller.join();
  context.check(runs == 6 * 50 * 20, "all iterations of all callers ran");
});

const Test refusalTest("threads: a pool of no threads is refused", [](Context& context) {
  bool threw = false;
  try {
    ThreadPool pool(0);
  } catch (const std::invalid_argument&) {
    threw = true;
  }
  context.check(threw, "std::invalid_argument");
});

const Test setsTest("instruction sets", [](Context& context) {
  for (const char* set : cpuInstructionSets())
    context.check(std::string(makeCpuBackend(set)->name()) == set, "a named set is the one that runs");
  context.check(std::string(makeCpuBackend()->name()) == cpuInstructionSets().front(),
                "the best one by default");
  bool threw = false;
  try {
    makeCpuBackend("mmx");
  } catch (const std::invalid_argument&) {
    threw = true;
  }
  context.check(threw, "an unknown set is refused");
});

}  // namespace
}  // namespace bulwark::selftest
