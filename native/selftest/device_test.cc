// Whole bounds on every device against the CPU's, and what happens when a device's memory is full.
#include <cmath>
#include <functional>
#include <string>

#include "bounds/bounds.h"
#include "bounds/ledger.h"
#include "selftest/bounds_problems.h"
#include "selftest/device_bench.h"
#include "selftest/emulation/emulation.h"
#include "selftest/harness.h"

namespace bulwark::selftest {
namespace {

std::shared_ptr<Device> emulated(size_t budget, size_t grain, bool graphs = true) {
  return cuda_emulated::openDevice(budget, grain, graphs);
}

Specification margins(Random& random, int count, int rowCount, int outputs) {
  Specification rows{rowCount, {}, {}, false};
  for (int i = 0; i < count * rowCount * outputs; ++i) rows.c.push_back(uniform(random, -1, 1));
  rows.d.assign(static_cast<size_t>(count) * rowCount, 0);
  return rows;
}

BoundsResult boundsOn(Device& device, int threads, const Network& network, const Region& region,
                      const Specification& rows, const BoundsOptions& options, std::set<std::string>* notes) {
  ThreadPool pool(threads);
  Workers workers(pool, device);
  const Prepared prepared(network, workers.main());
  const BoundsResult result =
      computeBounds(prepared, region, rows, options, workers, [] { return false; }, {});
  if (notes) *notes = workers.notes();
  return result;
}

// Slopes that Adam moved are no continuous function of rounding (a gradient of almost 0 takes a whole step
// either way), so bounds are compared where the ascent starts, and later with it. That a climbed bound is
// what float64 makes of its multipliers is the test "dual: the engine's value is the reference's".
const Test boundsTest(
    "device: joint bounds are the CPU's, and climb",
    [](Context& context, Device& device) {
      Random& random = context.random;
      constexpr int kImages = 3, kRows = 4;
      for (const auto& [networkName, network] : boundsNetworks(random)) {
        for (const auto& [regionName, region] : boundsRegions(random, kImages, network.inputSize())) {
          const Specification rows = margins(random, kImages, kRows, network.outputSize());
          BoundsOptions options;
          options.method = Method::joint;
          options.boxes = networkName == "chain" ? BoxSource::crown : BoxSource::cheap;
          options.iterations = 0;
          options.multipliers = true;
          const BoundsResult here = boundsOn(device, 2, network, region, rows, options, nullptr);
          const BoundsResult cpu = boundsOn(*cpuDevice(), 1, network, region, rows, options, nullptr);
          options.iterations = 4;
          const BoundsResult climbed = boundsOn(device, 2, network, region, rows, options, nullptr);
          const std::string where = networkName + ", " + regionName;
          for (size_t row = 0; row < here.lower.size(); ++row) {
            const double apart = std::abs(here.lower[row] - cpu.lower[row]) / (1 + std::abs(cpu.lower[row]));
            const bool neither = !std::isfinite(here.lower[row]) && !std::isfinite(cpu.lower[row]);
            if (!neither) context.error(where, apart, 1e-4);
            context.check(!(climbed.lower[row] < here.lower[row]),
                          where + ": an ascent never ends below its start");
            context.check(here.multipliers[row].slope.size() == cpu.multipliers[row].slope.size(),
                          where + ": multipliers come back");
          }
        }
      }
    },
    Products::ownAndCublas);

const Test waitTest("device: the host waits for no step of an ascent", [](Context& context) {
  const auto device = emulated(size_t{64} << 20, size_t{1} << 20);
  const auto backend = device->makeBackend();
  Random& random = context.random;
  for (const auto& [networkName, network] : boundsNetworks(random)) {
    for (const auto& [regionName, region] : boundsRegions(random, 3, network.inputSize())) {
      const ReadyImages ready(network, *backend, region, region.kind != InputKind::box);
      ReadyRows rows(random, ready.images, *backend, 1, presetOf(Method::joint));
      Ledger ledger(rows.batch, *backend, {.iterations = 10});
      for (int r = 0; r < rows.batch.rows(); ++r) ledger.enter(r, 0, 1e30);
      ledger.send();
      rows.batch.evaluate();  // which takes the memory it needs
      const long before = emulation::waits();
      for (int step = 0; step < 4; ++step) {
        rows.batch.evaluate();
        ledger.judge();
        rows.batch.ascend();
      }
      context.check(emulation::waits() == before, networkName + ", " + regionName);
      ledger.look(true);
      context.check(emulation::waits() > before && ledger.taken(0) == 4 && std::isfinite(ledger.best(0)),
                    networkName + ", " + regionName + ": and then it looks");
    }
  }
});

/// The same bounds on a device that records calls and on one that does not; `counted`: of the emulation,
/// which counts launches.
void compareRecorded(Context& context, bool counted,
                     const std::function<std::shared_ptr<Device>(bool)>& open) {
  Random& random = context.random;
  constexpr int kImages = 3, kRows = 4;
  for (const auto& [networkName, network] : boundsNetworks(random)) {
    const Region region = boundsRegions(random, kImages, network.inputSize()).back().region;
    const Specification rows = margins(random, kImages, kRows, network.outputSize());
    // With stops and without, where the best iterate is kept besides.
    for (const bool stops : {false, true}) {
      BoundsOptions options;
      options.method = Method::joint;
      options.boxes = BoxSource::cheap;
      options.iterations = 10;
      options.multipliers = true;
      options.stopWhenProven = stops;
      BoundsResult results[2];
      long launches[2], graphs[2];
      for (const bool records : {false, true}) {
        const long before = emulation::launches(), graphsBefore = emulation::graphLaunches();
        results[records] = boundsOn(*open(records), 2, network, region, rows, options, nullptr);
        launches[records] = emulation::launches() - before;
        graphs[records] = emulation::graphLaunches() - graphsBefore;
      }
      const auto& [plain, recorded] = results;
      const std::string where = networkName + (stops ? ", stopped when proven" : "");
      context.check(plain.lower == recorded.lower && plain.iterations == recorded.iterations,
                    where + ": bounds");
      for (size_t row = 0; row < plain.multipliers.size(); ++row) {
        context.check(plain.multipliers[row].slope == recorded.multipliers[row].slope &&
                          plain.multipliers[row].lambda == recorded.multipliers[row].lambda,
                      where + ": multipliers");
      }
      if (counted)
        context.check(graphs[0] == 0 && (stops || (graphs[1] > 0 && launches[1] < launches[0] * 3 / 4)),
                      where + ": " + std::to_string(launches[1]) + " launches and " +
                          std::to_string(graphs[1]) + " graphs instead of " + std::to_string(launches[0]) +
                          " launches");
    }
  }
}

const Test recordedTest("device: recorded steps give the same bits, and are taken", [](Context& context) {
  compareRecorded(context, true, [](bool graphs) { return emulated(size_t{1} << 30, 1, graphs); });
});

// The handle's memory is its own, so that a capture asks for none.
const Test recordedCublasTest("device: recorded steps with cuBLAS give the same bits, and are taken",
                              [](Context& context) {
                                compareRecorded(context, true, [](bool graphs) {
                                  return cuda_emulated::withCublasStandIn(
                                      emulated(size_t{1} << 30, 1, graphs));
                                });
                              });

const Test recordedGpuTest("device: recorded steps give the same bits [cuda]", [](Context& context) {
  if (const cuda::DeviceList found = cuda::devices(); found.devices.empty())
    return context.skip(found.reason);
  constexpr size_t kMiB = size_t{1} << 20;
  compareRecorded(context, false,
                  [](bool graphs) { return cuda::openDevice(1024 * kMiB, 64 * kMiB, graphs); });
});

const Test memoryTest("device: memory that is full, and given back", [](Context& context) {
  constexpr size_t kMiB = size_t{1} << 20;
  const auto device = emulated(8 * kMiB, 4 * kMiB);
  const auto backend = device->makeBackend();
  const auto fits = [&](size_t bytes) {
    try {
      return backend->allocate(bytes);
    } catch (const DeviceMemoryError& error) {
      context.check(std::string(error.what()).find("budget of 8388608") != std::string::npos, error.what());
      return std::unique_ptr<Buffer>();
    }
  };
  for (int round = 0; round < 3; ++round) {
    std::vector<std::unique_ptr<Buffer>> small;
    for (int i = 0; i < 8; ++i) small.push_back(fits(kMiB - (round == 1 ? 100 : 0)));
    for (const auto& each : small) context.check(each != nullptr, "eight pieces of an eighth");
    context.check(!fits(1), "and no ninth");
    small[3].reset();
    small[2].reset();
    context.check(fits(2 * kMiB) != nullptr, "neighbours are joined");
    small.clear();
    context.check(fits(7 * kMiB) != nullptr, "what is free is asked for anew as one");
    context.check(!fits(9 * kMiB), "never more than the budget");
  }
});

/// Bounds of many rows on a small network, on a device whose memory is the matter.
struct Crowd {
  static constexpr int kImages = 40;
  Crowd(Random& random, int rowCount)
      : network(boundsNetworks(random).front().network),
        region(boundsRegions(random, kImages, network.inputSize()).front().region),
        rows(margins(random, kImages, rowCount, network.outputSize())) {
    options.method = Method::joint;
    options.boxes = BoxSource::cheap;
    options.iterations = 2;
  }
  std::vector<double> on(Device& device, std::set<std::string>& notes, int threads = 1) const {
    return boundsOn(device, threads, network, region, rows, options, &notes).lower;
  }
  Network network;
  Region region;
  Specification rows;
  BoundsOptions options;
};

const Test budgetTest("device: a batch is as large as the budget allows", [](Context& context) {
  const Crowd crowd(context.random, 8);
  std::set<std::string> notes;
  const auto roomy = emulated(size_t{1} << 30, 1);
  const std::vector<double> all = crowd.on(*roomy, notes);
  context.check(crowd.on(*roomy, notes, 2) == all, "same bounds on two streams");
  const auto backend = roomy->makeBackend();
  const ReadyImages ready(crowd.network, *backend, crowd.region, false);
  const int target = static_cast<int>(crowd.network.nodes.size()) - 1;
  const int blocks = 8 * Crowd::kImages / backend->lanes();
  const size_t before = backend->memoryLeft();
  const size_t whole =
      DualBatch::bytes(ready.images, *backend, target, blocks, presetOf(Method::joint), false);
  context.check(backend->memoryLeft() == before, "to ask takes nothing");
  const DualBatch batch(ready.images, *backend, target, blocks, presetOf(Method::joint));
  const size_t taken = before - backend->memoryLeft();
  context.check(taken >= whole && taken < whole + 1024, "a batch takes what it says");
  size_t least = size_t{8} << 20;
  // Down from plenty until the bound needs more than there is.
  for (size_t budget = least; budget > whole; budget = budget * 7 / 8) {
    try {
      context.check(crowd.on(*emulated(budget, 1), notes) == all,
                    "same bounds in " + std::to_string(budget) + " bytes");
    } catch (const DeviceMemoryError&) {
      break;
    }
    least = budget;
  }
  // What lies beside the batch: the way to the device and back, and more.
  constexpr size_t kBeside = size_t{1} << 20;
  context.check(least < whole + kBeside,
                "less than a whole batch: " + std::to_string(least) + " of " + std::to_string(whole));
  context.check(notes.empty(), "nothing was tried in vain");
});

const Test halvedTest("device: a batch that finds no room is halved, and it is said", [](Context& context) {
  constexpr size_t kMiB = size_t{1} << 20;
  const Crowd crowd(context.random, 24);
  std::set<std::string> notes;
  const std::vector<double> all = crowd.on(*emulated(size_t{1} << 30, 1), notes);
  context.check(notes.empty(), "in plenty");
  // Free memory in many pieces, and one of two MiB.
  const auto device = emulated(16 * kMiB, 16 * kMiB);
  const auto backend = device->makeBackend();
  std::vector<std::unique_ptr<Buffer>> pieces;
  while (backend->memoryLeft() > 2 * kMiB) pieces.push_back(backend->allocate(kMiB / 4));
  for (size_t i = 0; i < pieces.size(); i += 2) pieces[i].reset();
  context.check(crowd.on(*device, notes) == all, "the same bounds");
  context.check(!notes.empty(), "it was said");
});

const Test imagesTest("device: images that find no room are halved, and it is said", [](Context& context) {
  constexpr int kImages = 200, kRows = 2;
  constexpr size_t kMiB = size_t{1} << 20;
  Random& random = context.random;
  const Network network = boundsNetworks(random).front().network;
  const Region region = boundsRegions(random, kImages, network.inputSize()).front().region;
  const Specification rows = margins(random, kImages, kRows, network.outputSize());
  BoundsOptions options;
  options.method = Method::lip;  // needs little but the images
  std::set<std::string> notes;
  const auto plenty = boundsOn(*emulated(size_t{1} << 30, 1), 1, network, region, rows, options, &notes);
  context.check(notes.empty(), "in plenty");
  // Free memory in pieces of 64 KiB, and one that the way to the device needs.
  const auto device = emulated(8 * kMiB, 8 * kMiB);
  const auto backend = device->makeBackend();
  std::vector<std::unique_ptr<Buffer>> pieces;
  while (backend->memoryLeft() > 9 * kMiB / 8) pieces.push_back(backend->allocate(kMiB / 16));
  for (size_t i = 0; i < pieces.size(); i += 2) pieces[i].reset();
  const auto tight = boundsOn(*device, 1, network, region, rows, options, &notes);
  context.check(tight.lower == plenty.lower, "the same bounds");
  context.check(!notes.empty() && notes.begin()->find("images at once are halved") != std::string::npos,
                "it was said");
});

const Test benchTest("device: the measurements run", [](Context& context) {
  std::FILE* out = std::tmpfile();
  const auto device = emulated(size_t{1} << 30, 1);
  const BenchScale tiny{
      .images = 1, .imagesOfLarge = 0, .iterations = 1, .copyBytes = 1 << 16, .productSize = 32, .budget = 0};
  const auto library = [](int, int outputs, int, bool) {
    return outputs == 784 ? cuda::ProductTime{0, "none for this"} : cuda::ProductTime{1e-3, ""};
  };
  benchDevice(*device, 1, tiny, cuda_emulated::multiplyAddCeiling(2, 16), out, library);
  std::string text(static_cast<size_t>(std::ftell(out)), ' ');
  std::rewind(out);
  context.check(std::fread(text.data(), 1, text.size(), out) == text.size(), "read back");
  std::fclose(out);
  context.check(text.find("ceiling") != std::string::npos && text.find("images/s") != std::string::npos &&
                    text.find("no cuBLAS: none for this") != std::string::npos,
                "a table");
  context.check(text.find("NOT FINITE") == std::string::npos && text.find("nan") == std::string::npos, text);
});

}  // namespace
}  // namespace bulwark::selftest
