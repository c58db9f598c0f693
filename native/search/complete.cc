#include "search/complete.h"

#include <algorithm>

#include "search/refine.h"

namespace bulwark {

namespace {

/// Images searched together: enough rows for full batches, few enough for their multipliers.
constexpr int kImagesAtOnce = 32;
/// Of a call's time, what trees for boxes may take before the rows' own trees must have their turn.
constexpr double kTreeShare = 0.4;

}  // namespace

CompleteResult completeBounds(const Prepared& prepared, const Region& region,
                              const Specification& specification, const BoundsOptions& options,
                              const SearchOptions& search, Workers& workers, const StopCheck& stop,
                              const Progress& progress, const Settled<CompleteResult>& settled) {
  const StopCheck stopOrLate = withTimeLimit(stop, options.timeLimit);
  const StopCheck stopTrees = withTimeLimit(stop, kTreeShare * options.timeLimit);
  const int rowCount = specification.rowCount;
  const size_t total = static_cast<size_t>(region.count) * rowCount;
  const int output = static_cast<int>(prepared.network.nodes.size()) - 1;
  const DualPreset preset = presetOf(options.method);
  const AscentOptions ascent{.iterations = options.iterations,
                             .learningRate = options.learningRate,
                             .decay = options.decay,
                             .stopWhenProven = true,
                             .headroom = options.headroom};
  CompleteResult result;
  result.lower.assign(total, -std::numeric_limits<double>::infinity());
  result.timedOut.assign(region.count, 1);
  result.subproblems.assign(region.count, 0);
  result.limit.assign(region.count, Limit::none);
  if (search.leaves) result.leaves.resize(total);
  if (search.falsify) result.attack.emplace(region, specification);
  for (int first = 0; first < region.count && !stopOrLate(); first += kImagesAtOnce) {
    const int count = std::min(kImagesAtOnce, region.count - first);
    TreeRefiner refiner(count, workers, preset, search, stopTrees);
    const bool refined = search.boxSubproblems > 0 && options.boxes == BoxSource::optimised;
    const auto images = boxedImages(prepared, region, first, count, options, workers, stopOrLate,
                                    refined ? &refiner : nullptr);
    std::copy(refiner.bounded().begin(), refiner.bounded().end(), result.subproblems.begin() + first);
    if (!images) break;
    const SpecificationRows source(*images, workers.main(), specification, first);
    const auto report = [&](long done, long) {
      if (progress) progress(static_cast<long>(first) * rowCount + done, static_cast<long>(total));
    };
    moveClaims(*images, first, result.boxes);
    const RowResults roots =
        boundRows(source, *images, workers, output, preset, ascent, stopOrLate, {}, {.multipliers = true});
    const size_t base = static_cast<size_t>(first) * rowCount;
    if (stopOrLate()) {
      std::copy(roots.lower.begin(), roots.lower.end(), result.lower.begin() + base);
      if (settled) settled(first, count, result);
      break;
    }
    Budgets budgets{std::vector<int>(source.count()), std::vector<long>(count, search.subproblems)};
    for (long row = 0; row < source.count(); ++row) budgets.unit[row] = source.image(row);
    std::optional<Falsifier> falsifier;
    if (search.falsify)
      falsifier.emplace(prepared, region, specification, first, count, workers, stopOrLate, *result.attack);
    SearchResult found = searchRows(source, roots, *images, budgets, workers, output, preset, search,
                                    stopOrLate, report, falsifier ? &*falsifier : nullptr);
    for (const Subproblem& open : found.open) {
      found.lower[open.row] = std::min(found.lower[open.row], open.bound);
      found.lost[open.row] = 1;
    }
    std::copy(found.lower.begin(), found.lower.end(), result.lower.begin() + base);
    for (int i = 0; i < count; ++i) result.subproblems[first + i] += found.subproblems[i];
    std::copy(found.limit.begin(), found.limit.end(), result.limit.begin() + first);
    const bool cut = stopOrLate();
    for (int i = 0; i < count; ++i) result.timedOut[first + i] = 0;
    for (long row = 0; row < source.count(); ++row) {
      if (found.lost[row]) {
        const int image = source.image(row);
        if (cut && found.limit[image] != Limit::falsified) result.timedOut[first + image] = 1;
      } else if (search.leaves) {
        result.leaves[base + row] = std::move(found.leaves[row]);
      }
    }
    if (settled) settled(first, count, result);
  }
  return result;
}

}  // namespace bulwark
