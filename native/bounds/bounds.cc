#include "bounds/bounds.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <memory>
#include <string>

#include "bounds/boxes.h"
#include "bounds/rows.h"
#include "bounds/schedule.h"

namespace bulwark {

namespace {

/// Images held at once: bounds the memory of a call whatever its size. Where the device wants more rows than
/// theirs, as many as fill its batches twice - rows that are settled leave places - in a part of its memory.
constexpr long kLeastImages = 256, kMostImages = 4096;
constexpr double kForImages = 0.25;

int imagesAtOnce(const Prepared& prepared, Workers& workers, int rowCount) {
  Backend& backend = workers.main();
  const long rows = 2L * workers.size() * backend.leastRows();
  const long wanted = std::clamp(rows / std::max(1, rowCount), kLeastImages, kMostImages);
  const double room = kForImages * static_cast<double>(backend.memoryLeft());
  const double fit = room / static_cast<double>(Images::bytesEach(prepared));
  return static_cast<int>(std::clamp(fit, static_cast<double>(backend.lanes()), static_cast<double>(wanted)));
}

/// LipNaive: nominal value minus ||c|| times the product of layer norms times the radius.
RowResults lipschitzRows(const SpecificationRows& source, const Images& images,
                         const Specification& specification, int first) {
  RowResults results(source.count());
  const int outputs = images.prepared().network.outputSize();
  const int output = static_cast<int>(images.prepared().network.nodes.size()) - 1;
  for (long row = 0; row < source.count(); ++row) {
    const int image = source.image(row);
    const double* c =
        specification.row(first + image, static_cast<int>(row % specification.rowCount), outputs);
    double square = 0;
    for (int j = 0; j < outputs; ++j) square += c[j] * c[j];
    results.lower[row] = source.constant(row) - std::sqrt(square) * images.rho(output, image) * (1 + 1e-12);
    results.finished[row] = 1;
  }
  return results;
}

void append(RowResults rows, const Region& region, int first, int count, int rowCount, int inputs,
            BoundsResult& result) {
  const size_t base = static_cast<size_t>(first) * rowCount;
  std::copy(rows.lower.begin(), rows.lower.end(), result.lower.begin() + base);
  std::copy(rows.iterations.begin(), rows.iterations.end(), result.iterations.begin() + base);
  for (int i = 0; i < count; ++i) {
    const auto* finished = rows.finished.data() + static_cast<size_t>(i) * rowCount;
    result.timedOut[first + i] = std::find(finished, finished + rowCount, 0) != finished + rowCount;
  }
  std::move(rows.multipliers.begin(), rows.multipliers.end(), std::back_inserter(result.multipliers));
  if (rows.slope.empty()) return;
  std::copy(rows.slope.begin(), rows.slope.end(), result.slope.begin() + base * inputs);
  for (size_t row = 0; row < rows.offset.size(); ++row) {
    const double* center = region.center.data() + (first + row / rowCount) * inputs;
    double atOrigin = rows.offset[row];
    for (int j = 0; j < inputs; ++j) {
      // Deviations are taken from the centre as rounded to float32.
      atOrigin -= static_cast<double>(rows.slope[row * inputs + j]) * static_cast<float>(center[j]);
    }
    result.offset[base + row] = atOrigin;
  }
}

}  // namespace

BoundsResult computeBounds(const Prepared& prepared, const Region& region, const Specification& specification,
                           const BoundsOptions& options, Workers& workers, const StopCheck& stop,
                           const Progress& progress, const Settled<BoundsResult>& settled) {
  const StopCheck stopOrLate = withTimeLimit(stop, options.timeLimit);
  const int rowCount = specification.rowCount;
  const int inputs = prepared.network.inputSize();
  const size_t total = static_cast<size_t>(region.count) * rowCount;
  BoundsResult result;
  result.lower.assign(total, -std::numeric_limits<double>::infinity());
  result.iterations.assign(total, 0);
  result.timedOut.assign(region.count, 1);
  if (options.coefficients) {
    result.slope.assign(total * inputs, 0);
    result.offset.assign(total, -std::numeric_limits<double>::infinity());
  }

  const int output = static_cast<int>(prepared.network.nodes.size()) - 1;
  DualPreset preset = presetOf(options.method);
  if (options.coefficients) preset.coupled = false;  // what the input pays is no part of an affine bound
  const AscentOptions ascent{
      .iterations = preset.climbs ? options.iterations : 0,
      .learningRate = options.learningRate,
      .decay = options.decay,
      .stopWhenProven = options.stopWhenProven,
      .headroom = options.headroom,
  };

  int most = imagesAtOnce(prepared, workers, rowCount);
  const auto boxed = [&](int first, int& count) {
    for (;; most = count = count / 2) {
      try {
        return boxedImages(prepared, region, first, count, options, workers, stopOrLate);
      } catch (const DeviceMemoryError& error) {
        if (count <= workers.main().lanes()) throw;
        workers.note(std::string(error.what()) + ": " + std::to_string(count) + " images at once are halved");
      }
    }
  };
  for (int first = 0, count = 0; first < region.count && !stopOrLate(); first += count) {
    count = std::min(most, region.count - first);
    const auto images = boxed(first, count);
    if (!images) break;
    const SpecificationRows source(*images, workers.main(), specification, first);
    const auto report = [&](long done, long) {
      if (progress) progress(static_cast<long>(first) * rowCount + done, static_cast<long>(total));
    };
    if (options.method == Method::lip) {
      append(lipschitzRows(source, *images, specification, first), region, first, count, rowCount, inputs,
             result);
    } else {
      moveClaims(*images, first, result.boxes);
      append(boundRows(source, *images, workers, output, preset, ascent, stopOrLate, report,
                       {.coefficients = options.coefficients, .multipliers = options.multipliers}),
             region, first, count, rowCount, inputs, result);
    }
    if (settled) settled(first, count, result);
  }
  return result;
}

}  // namespace bulwark
