// A row's bound is a function of the row alone: not of its neighbours in a batch, not of the threads.
#include <algorithm>
#include <cmath>
#include <string>

#include "bounds/bounds.h"
#include "selftest/bounds_problems.h"
#include "selftest/harness.h"

namespace bulwark::selftest {
namespace {

Specification randomRows(Random& random, int count, int rowCount, int outputs) {
  Specification specification{rowCount, {}, {}, false};
  for (int i = 0; i < count * rowCount * outputs; ++i) specification.c.push_back(uniform(random, -1, 1));
  // Constants that let some rows be proven at once, some later and some never.
  for (int i = 0; i < count * rowCount; ++i) specification.d.push_back(uniform(random, -0.5, 3));
  return specification;
}

Region imageOf(const Region& region, int image, int inputs) {
  Region one = region;
  one.count = 1;
  const auto part = [&](std::vector<double>& values, int size) {
    if (values.empty()) return;
    values = std::vector<double>(values.begin() + image * size, values.begin() + (image + 1) * size);
  };
  part(one.center, inputs);
  part(one.eps, 1);
  part(one.lower, inputs);
  part(one.upper, inputs);
  return one;
}

Specification rowOf(const Specification& all, int row, int outputs) {
  return {1, {all.c.begin() + row * outputs, all.c.begin() + (row + 1) * outputs}, {all.d[row]}, false};
}

bool sameBits(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

void compare(Context& context, const std::string& where, const BoundsResult& got, const BoundsResult& wanted,
             int gotRow, int wantedRow, int inputs) {
  context.check(sameBits(got.lower[gotRow], wanted.lower[wantedRow]), where + ": lower");
  context.check(got.iterations[gotRow] == wanted.iterations[wantedRow], where + ": iterations");
  context.check(sameBits(got.offset[gotRow], wanted.offset[wantedRow]), where + ": offset");
  context.check(std::equal(got.slope.begin() + gotRow * inputs, got.slope.begin() + (gotRow + 1) * inputs,
                           wanted.slope.begin() + wantedRow * inputs, sameBits),
                where + ": slope");
}

const Test rowsTest("bounds: many rows are as each alone, on any number of threads", [](Context& context,
                                                                                        Device& device) {
  Random& random = context.random;
  // A GPU's batches are larger, and its emulation slow.
  const bool gpu = std::string(device.kind()) == "cuda";
  const int kImages = gpu ? 6 : 25, kRows = 8;
  const StopCheck never = [] { return false; };
  ThreadPool single(1), several(3);
  Workers one(single, device), three(several, device);
  int counts[3] = {};  // proven at once, later, never
  for (const auto& [networkName, network] : boundsNetworks(random)) {
    const Prepared prepared(network, one.main());
    const int inputs = network.inputSize(), outputs = network.outputSize();
    for (const auto& [regionName, region] : boundsRegions(random, kImages, inputs)) {
      const Specification rows = randomRows(random, kImages, kRows, outputs);
      for (const auto& [presetName, method] : kPresets) {
        if (gpu && method != Method::joint && method != Method::sdpCrown) continue;
        BoundsOptions options;
        options.method = method;
        options.boxes =
            networkName == "chain" && regionName != "l1" ? BoxSource::optimised : BoxSource::cheap;
        options.iterations = gpu ? 2 : 15;
        options.boxIterations = gpu ? 1 : 3;
        options.stopWhenProven = true;
        options.coefficients = true;
        const std::string where = networkName + ", " + regionName + ", " + presetName;
        const BoundsResult all = computeBounds(prepared, region, rows, options, one, never, {});
        const BoundsResult threaded = computeBounds(prepared, region, rows, options, three, never, {});
        for (int row = 0; row < kImages * kRows; ++row) {
          compare(context, where + ", threads", threaded, all, row, row, inputs);
          const bool proven = all.lower[row] > 0;
          ++counts[!proven ? 2 : all.iterations[row] == 0 ? 0 : 1];
        }
        for (int row = choose(random, 0, 6); row < kImages * kRows; row += gpu ? 31 : 7) {
          const BoundsResult alone = computeBounds(prepared, imageOf(region, row / kRows, inputs),
                                                   rowOf(rows, row, outputs), options, one, never, {});
          compare(context, where + ", alone", all, alone, row, 0, inputs);
        }
      }
    }
  }
  context.check(gpu || (counts[0] > 20 && counts[1] > 20 && counts[2] > 20),
                "rows leave at once, later and never: " + std::to_string(counts[0]) + ", " +
                    std::to_string(counts[1]) + ", " + std::to_string(counts[2]));
});

const Test stopTest("bounds: a stopped call says only what it has shown", [](Context& context,
                                                                             Device& device) {
  Random& random = context.random;
  ThreadPool pool(1);
  Workers workers(pool, device);
  for (const auto& [networkName, network] : boundsNetworks(random)) {
    const Prepared prepared(network, workers.main());
    const int inputs = network.inputSize();
    for (const auto& [regionName, region] : boundsRegions(random, 3, inputs)) {
      const Specification rows = randomRows(random, 3, 4, network.outputSize());
      BoundsOptions options;
      options.coefficients = true;
      for (const int polls : {0, 1, 2, 5, 20}) {
        int left = polls;
        const StopCheck stop = [&left] { return left-- <= 0; };
        const BoundsResult result = computeBounds(prepared, region, rows, options, workers, stop, {});
        const std::string where = networkName + ", " + regionName + ", " + std::to_string(polls) + " polls";
        for (int row = 0; row < 12; ++row) {
          context.check(result.timedOut[row / 4] == 1, where + ": the image is marked");
          double least = result.offset[row];
          for (int i = 0; i < inputs; ++i)
            least += result.slope[row * inputs + i] * region.center[row / 4 * inputs + i];
          // At the centre an affine lower bound is below the value, and this one was never made.
          context.check(least == -std::numeric_limits<double>::infinity(),
                        where + ": no coefficients where none were computed");
        }
      }
    }
  }
});

}  // namespace
}  // namespace bulwark::selftest
