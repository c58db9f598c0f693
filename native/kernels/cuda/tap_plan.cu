#include <algorithm>
#include <map>

#include "kernels/cuda/tap_plan.h"

namespace bulwark::BULWARK_CUDA {
namespace {

/// Kernel elements by their place in the packing order, ascending.
using Elements = std::vector<int>;

/// Pixels that meet the same kernel elements, or only some of them because the rest is padding.
struct PixelClass {
  Elements elements;
  std::vector<int> pixels;
};

/// Of all multiply-adds, the share that a border must save to be a class of its own: it costs tiles that are
/// not full, and another copy of its weights.
constexpr double kWorthwhile = 0.01;

/// The interior of a map and its borders, each for every residue of a stride in an adjoint.
std::vector<PixelClass> classify(const TapProblem& problem, const std::vector<int>& place) {
  std::map<Elements, std::vector<int>> met;
  double taps = 0;
  for (int pixel = 0; pixel < static_cast<int>(problem.taps.size()); ++pixel) {
    Elements elements;
    for (const Tap& tap : problem.taps[pixel]) elements.push_back(place[tap.element]);
    met[elements].push_back(pixel);
    taps += static_cast<double>(elements.size());
  }
  std::vector<PixelClass> sets;
  for (auto& [elements, pixels] : met) sets.push_back({elements, std::move(pixels)});
  std::stable_sort(sets.begin(), sets.end(), [](const PixelClass& a, const PixelClass& b) {
    return a.elements.size() > b.elements.size();
  });
  std::vector<PixelClass> classes;
  for (const PixelClass& set : sets) {
    // The class that wastes least on it.
    PixelClass* host = nullptr;
    for (PixelClass& larger : classes)
      if (std::includes(larger.elements.begin(), larger.elements.end(), set.elements.begin(),
                        set.elements.end()) &&
          (!host || larger.elements.size() < host->elements.size()))
        host = &larger;
    const auto wasted = [&] { return static_cast<double>(host->elements.size() - set.elements.size()); };
    if (!host || wasted() * static_cast<double>(set.pixels.size()) > kWorthwhile * taps)
      classes.push_back(set);
    else
      host->pixels.insert(host->pixels.end(), set.pixels.begin(), set.pixels.end());
  }
  for (PixelClass& made : classes) std::sort(made.pixels.begin(), made.pixels.end());
  return classes;
}

/// Where each element's input pixel lies, in floats from the start of a block, -1 for padding:
/// [element][pixel].
void appendSources(const TapProblem& problem, const std::vector<int>& place, const PixelClass& pixels,
                   std::vector<int>& sources) {
  const size_t count = pixels.pixels.size(), first = sources.size();
  const int channels = problem.depth * problem.groups;
  sources.resize(first + pixels.elements.size() * count, -1);
  for (size_t i = 0; i < count; ++i)
    for (const Tap& tap : problem.taps[pixels.pixels[i]]) {
      const auto at = std::lower_bound(pixels.elements.begin(), pixels.elements.end(), place[tap.element]);
      sources[first + (at - pixels.elements.begin()) * count + i] = tap.source * channels * kLanes;
    }
}

/// What is read past the last weight: a tile's height past the end of a row, a chunk's terms past the last.
constexpr size_t kTallestTile = 128;

}  // namespace

TapPlan::TapPlan(const TapProblem& problem, const std::shared_ptr<Memory>& memory) {
  std::vector<int> place(problem.order.size());
  for (size_t i = 0; i < problem.order.size(); ++i) place[problem.order[i]] = static_cast<int>(i);
  const int weightRow = weightRowOf(problem.outputs);
  const size_t element = static_cast<size_t>(problem.depth) * weightRow;

  std::vector<TapClass> classes;
  std::vector<int> sources, places;
  // A class needs its elements' weights side by side. They are copied where classes share elements, which
  // they do only where a border lacks elements that another border has.
  std::vector<Elements> packed;
  size_t groupSize = 0;
  int mostTaps = 0;
  for (const PixelClass& pixels : classify(problem, place)) {
    const int taps = static_cast<int>(pixels.elements.size()), count = static_cast<int>(pixels.pixels.size());
    classes.push_back(
        {taps, count, static_cast<int>(sources.size()), static_cast<int>(places.size()), groupSize});
    appendSources(problem, place, pixels, sources);
    for (const int pixel : pixels.pixels) places.push_back(problem.place[pixel] * kLanes);
    packed.push_back(pixels.elements);
    pixels_.push_back(count);
    groupSize += pixels.elements.size() * element;
    mostTaps = std::max(mostTaps, taps);
  }

  sum_ = chooseTapSum(
      {problem.outputs, problem.groups, static_cast<int>(places.size()), mostTaps, problem.depth});
  const size_t zeros = problem.groups * groupSize;  // where they begin
  const size_t overrun = kTallestTile + static_cast<size_t>(longestChunk(sum_)) * weightRow;
  std::vector<float> weights(zeros + std::max<size_t>(overrun, static_cast<size_t>(problem.depth) * kLanes),
                             0.0f);
  float* to = weights.data();
  for (int group = 0; group < problem.groups; ++group)
    for (const Elements& elements : packed)
      for (const int at : elements)
        for (int row = 0; row < problem.depth; ++row, to += weightRow) {
          const size_t from = (group * problem.order.size() + at) * problem.depth + row;
          std::copy_n(problem.weight.begin() + from * problem.outputs, problem.outputs, to);
        }

  classes_ = Array<TapClass>(memory, classes);
  sources_ = Array<int>(memory, sources);
  places_ = Array<int>(memory, places);
  weights_ = Array<float>(memory, weights);
  severalTaps_ = mostTaps > 1;
  sum_ = chooseTapSum(
      {problem.outputs, problem.groups, static_cast<int>(places.size()), mostTaps, problem.depth});
  for (const TapKernel& kernel : tileKernels(sum_)) {
    allowShared(kernel.oneTap, static_cast<size_t>(kernel.sharedBytes));
    if (kernel.anyTaps) allowShared(kernel.anyTaps, static_cast<size_t>(kernel.sharedBytes));
  }
  call_.inBlock = static_cast<size_t>(problem.inFeatures) * kLanes;
  call_.outBlock = static_cast<size_t>(problem.outFeatures) * kLanes;
  call_.classes = classes_.data();
  call_.sources = sources_.data();
  call_.places = places_.data();
  call_.weights = weights_.data();
  call_.zeros = weights_.data() + zeros;
  call_.classCount = static_cast<int>(classes.size());
  call_.groups = problem.groups;
  call_.depth = problem.depth;
  call_.outputs = problem.outputs;
  call_.groupStride = problem.groupStride;
  call_.weightRow = weightRow;
  call_.groupWeights = groupSize;
}

TapCall TapPlan::callOf(View in, View out, bool accumulate) const {
  TapCall call = call_;
  call.in = in.data;
  call.out = out.data;
  call.blocks = in.blocks;
  call.accumulate = accumulate;
  return call;
}

void TapPlan::apply(cudaStream_t stream, View in, View out, bool accumulate) const {
  const TapCall call = callOf(in, out, accumulate);
  launchTaps(stream, chooseTapKernel(sum_, call, pixels_), call, severalTaps_, pixels_);
}

void TapPlan::applyWith(const TapKernel& kernel, cudaStream_t stream, View in, View out,
                        bool accumulate) const {
  launchTaps(stream, kernel, callOf(in, out, accumulate), severalTaps_, pixels_);
}

}  // namespace bulwark::BULWARK_CUDA
