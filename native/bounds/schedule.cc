#include "bounds/schedule.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <string>

namespace bulwark {

namespace {

/// Blocks per batch on a CPU: three fill the register tiles of the linear layers; more only costs cache.
constexpr long kMostBlocks = 3;

/// The part of the device's free memory that batches may take; the rest is for what operations need
/// meanwhile.
constexpr double kForBatches = 0.8;

/// Up to `blocks` blocks, as many as every worker finds memory for.
int blocksThatFit(const Images& images, Workers& workers, int target, int blocks, const DualPreset& preset,
                  bool remembers) {
  const size_t left = workers.main().memoryLeft();
  if (left == std::numeric_limits<size_t>::max()) return blocks;
  const double share = kForBatches * static_cast<double>(left) / workers.size();
  const auto bytes = [&](int count) {
    return static_cast<double>(DualBatch::bytes(images, workers.main(), target, count, preset, remembers));
  };
  // What a batch takes is nearly proportional to its blocks.
  const double each = bytes(blocks) / blocks;
  return static_cast<int>(std::clamp(share / each, 1.0, static_cast<double>(blocks)));
}

/// A batch of up to `blocks` blocks, fewer where the device has no memory for more.
std::unique_ptr<DualBatch> batchThatFits(const Images& images, Workers& workers, Backend& backend, int target,
                                         int blocks, const DualPreset& preset, bool remembers) {
  for (;; blocks /= 2) {
    try {
      return std::make_unique<DualBatch>(images, backend, target, blocks, preset, remembers);
    } catch (const DeviceMemoryError& error) {
      if (blocks == 1) throw;
      workers.note(std::string(error.what()) + ": a batch of " + std::to_string(blocks * backend.lanes()) +
                   " rows is halved");
    }
  }
}

}  // namespace

RowResults boundRows(const RowSource& source, const Images& images, Workers& workers, int target,
                     const DualPreset& preset, const AscentOptions& options, const StopCheck& stop,
                     const Progress& progress, const Evidence& evidence, RowVisitor* visitor) {
  RowVisitor nobody;
  RowResults results(source.count());
  if (evidence.multipliers) results.multipliers.resize(source.count());
  if (evidence.coefficients) {
    results.slope.assign(source.count() * images.prepared().network.inputSize(), 0);
    results.offset.assign(source.count(), -std::numeric_limits<double>::infinity());
  }
  const long lanes = workers.main().lanes();
  const long share = (source.count() + workers.size() * lanes - 1) / (workers.size() * lanes);
  const long wanted = std::clamp(share, 1L, std::max(kMostBlocks, workers.main().leastRows() / lanes));
  // Bounds come from the best iterate; where what proves them is asked for, so must that.
  AscentOptions ascent = options;
  ascent.keepsBest |= (evidence.multipliers || evidence.coefficients) && !options.stopWhenProven;
  const int blocks =
      blocksThatFit(images, workers, target, static_cast<int>(wanted), preset, ascent.keepsBest);
  std::atomic<long> next{0}, done{0};
  const auto stopOrReport = [&] {
    if (progress) progress(done.load(), source.count());
    return stop();
  };
  workers.each(workers.size(), [&](int, Backend& backend) {
    if (next.load() >= source.count()) return;
    const auto batch = batchThatFits(images, workers, backend, target, blocks, preset, ascent.keepsBest);
    climb(source, next, *batch, backend, ascent, stopOrReport, visitor ? *visitor : nobody, done, results);
  });
  return results;
}

}  // namespace bulwark
