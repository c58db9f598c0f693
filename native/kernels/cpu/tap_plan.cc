#include "kernels/cpu/tap_plan.h"

#include <algorithm>
#include <map>

namespace bulwark {
namespace {

// Input vectors per position that one slab may touch. Three positions of 64-byte vectors and a panel of
// weights then share a 48 KiB cache.
constexpr int kSlabDepth = 192;

std::vector<int> evenSplit(int count, int most) {
  const int parts = (count + most - 1) / most;
  std::vector<int> starts;
  for (int part = 0; part <= parts; ++part)
    starts.push_back(static_cast<int>(static_cast<int64_t>(count) * part / parts));
  return starts;
}

/// A slab covers rows [begin, end) of the packed sum over (element, depth).
struct Range {
  int begin, end;
};

std::vector<Range> cutSlabs(int elements, int depth) {
  std::vector<Range> ranges;
  if (depth > kSlabDepth) {
    const std::vector<int> starts = evenSplit(depth, kSlabDepth);
    for (int element = 0; element < elements; ++element)
      for (size_t i = 0; i + 1 < starts.size(); ++i)
        ranges.push_back({element * depth + starts[i], element * depth + starts[i + 1]});
  } else {
    const std::vector<int> starts = evenSplit(elements, std::max(1, kSlabDepth / std::max(1, depth)));
    for (size_t i = 0; i + 1 < starts.size(); ++i)
      ranges.push_back({starts[i] * depth, starts[i + 1] * depth});
  }
  return ranges;
}

/// Consecutive rows of the packed sum that meet consecutive input features in every pixel of a class.
struct Run {
  int begin, end;  // rows of the packed sum
  int tap;         // whose source the run starts from
};

using Pixels = std::vector<int32_t>;

std::vector<Run> mergeRuns(const TapProblem& problem, const Pixels& pixels, const std::vector<int>& place) {
  const std::vector<Tap>& first = problem.taps[pixels.front()];
  std::vector<Run> runs;
  for (int tap = 0; tap < static_cast<int>(first.size()); ++tap) {
    const int begin = place[first[tap].element] * problem.depth;
    bool follows = !runs.empty() && problem.groups == 1 && runs.back().end == begin;
    for (size_t i = 0; follows && i < pixels.size(); ++i) {
      const std::vector<Tap>& taps = problem.taps[pixels[i]];
      follows = taps[tap].source == taps[tap - 1].source + 1;
    }
    if (follows) {
      runs.back().end = begin + problem.depth;
    } else {
      runs.push_back({begin, begin + problem.depth, tap});
    }
  }
  return runs;
}

TapPlan::Class makeClass(const TapProblem& problem, const std::vector<Range>& slabs,
                         const std::vector<int>& place, const Pixels& pixels) {
  TapPlan::Class made;
  struct Column {
    int tap, skip;
  };
  std::vector<Column> columns;
  const std::vector<Run> runs = mergeRuns(problem, pixels, place);
  for (int slab = 0; slab < static_cast<int>(slabs.size()); ++slab) {
    const int first = static_cast<int>(made.segments.size());
    for (const Run& run : runs) {
      const int begin = std::max(run.begin, slabs[slab].begin), end = std::min(run.end, slabs[slab].end);
      if (begin >= end) continue;
      made.segments.push_back({begin - slabs[slab].begin, end - begin, static_cast<int32_t>(columns.size())});
      columns.push_back({run.tap, begin - run.begin});
    }
    const int count = static_cast<int>(made.segments.size()) - first;
    if (count > 0) made.parts.push_back({slab, first, count});
  }
  made.columns = static_cast<int>(columns.size());
  const int channels = problem.depth * problem.groups;
  for (const int32_t pixel : pixels)
    for (const Column& column : columns) {
      const int source = problem.taps[pixel][column.tap].source;
      made.offsets.push_back((source * channels + column.skip) * kLanes);
    }
  for (const int32_t pixel : pixels) made.places.push_back(problem.place[pixel] * kLanes);
  return made;
}

void packWeights(const TapProblem& problem, const std::vector<Range>& ranges, TapPlan& plan) {
  const size_t rows = problem.order.size() * problem.depth;
  plan.weights.resize(problem.groups * rows * problem.outputs);
  float* to = plan.weights.data();
  for (int group = 0; group < problem.groups; ++group) {
    const float* from = problem.weight.data() + group * rows * problem.outputs;
    for (const Range& range : ranges)
      for (size_t panel = 0; panel + 1 < plan.panels.size(); ++panel)
        for (int row = range.begin; row < range.end; ++row)
          for (int m = plan.panels[panel]; m < plan.panels[panel + 1]; ++m)
            *to++ = from[static_cast<size_t>(row) * problem.outputs + m];
  }
}

}  // namespace

TapPlan makeTapPlan(const TapProblem& problem, const KernelTable& kernels) {
  TapPlan plan;
  plan.groups = problem.groups;
  plan.depth = problem.depth;
  plan.outputs = problem.outputs;
  plan.inFeatures = problem.inFeatures;
  plan.outFeatures = problem.outFeatures;
  plan.groupStride = problem.groupStride;
  for (const int target : problem.targets) plan.targets.push_back(target * kLanes);
  plan.panels = evenSplit(problem.outputs, kernels.maxOutputs);
  for (size_t i = 0; i + 1 < plan.panels.size(); ++i)
    plan.tallest = std::max(plan.tallest, plan.panels[i + 1] - plan.panels[i]);

  std::vector<int> place(problem.order.size());
  for (size_t i = 0; i < problem.order.size(); ++i) place[problem.order[i]] = static_cast<int>(i);
  const std::vector<Range> ranges = cutSlabs(static_cast<int>(problem.order.size()), problem.depth);
  for (const Range& range : ranges)
    plan.slabs.push_back({static_cast<size_t>(range.begin) * problem.outputs, range.end - range.begin});
  packWeights(problem, ranges, plan);

  std::map<std::vector<int>, Pixels> classes;
  for (int pixel = 0; pixel < static_cast<int>(problem.taps.size()); ++pixel) {
    std::vector<int> elements;
    for (const Tap& tap : problem.taps[pixel]) elements.push_back(tap.element);
    classes[elements].push_back(pixel);
  }
  for (const auto& [elements, pixels] : classes)
    plan.classes.push_back(makeClass(problem, ranges, place, pixels));
  return plan;
}

}  // namespace bulwark
