#include "verdict/own_boxes.h"

#include <algorithm>
#include <numeric>

#include "bounds/images.h"

namespace bulwark {

namespace {

void appendReordered(const std::vector<double>& from, size_t base, const std::vector<int32_t>& order,
                     std::vector<double>& into) {
  for (int32_t position : order) into.push_back(from[base + position]);
}

std::vector<int> allOf(const Region& region) {
  std::vector<int> all(region.count);
  std::iota(all.begin(), all.end(), 0);
  return all;
}

}  // namespace

Region selected(const Region& region, std::span<const int> images, const std::vector<int32_t>& order) {
  const int count = static_cast<int>(images.size());
  Region out{.kind = region.kind, .count = count, .center = {}, .eps = {}, .lower = {}, .upper = {}};
  for (const int image : images) {
    const size_t base = static_cast<size_t>(image) * order.size();
    appendReordered(region.center, base, order, out.center);
    if (!region.eps.empty()) out.eps.push_back(region.eps[image]);
    if (region.lower.empty()) continue;
    appendReordered(region.lower, base, order, out.lower);
    appendReordered(region.upper, base, order, out.upper);
  }
  return out;
}

bool makesOwnBoxes(const ProvenBounds& task) {
  const Method method = task.options.method;
  return task.proof.ownBoxes && task.options.boxes == BoxSource::crown &&
         task.region.kind == InputKind::box && !needsBalls(task.region, method) &&
         (method == Method::joint || method == Method::crown || method == Method::alphaCrown) &&
         task.region.count <= static_cast<int>(kFactsAtOnce);
}

OwnBoxes::OwnBoxes(const ProvenBounds& task, const ProofModel& model, const StopCheck& stop)
    : network_(model.network),
      workers_(task.workers),
      prover_(model.network, selected(task.region, allOf(task.region), model.input), task.proof.arithmetic,
              task.pool, stop) {
  prover_.tightenByCrown();
}

void OwnBoxes::supply(Images& images, int first) const {
  Backend& backend = workers_.main();
  size_t relu = 0;
  for (const Node& node : images.prepared().network.nodes) {
    if (node.kind != NodeKind::relu) continue;
    const int pre = node.inputs[0], target = network_.targetNode(static_cast<int>(relu++));
    const std::vector<float> nominal = images.nominal(backend, pre);
    std::vector<float> lower, upper;
    images.readBox(backend, pre, lower, upper);
    const size_t features = nominal.size() / images.count();
    for (int image = 0; image < images.count(); ++image) {
      if (!prover_.derived(first + image)) continue;
      const proof::NodeFacts& facts = prover_.image(first + image).at(target);
      for (size_t i = 0, at = image * features; i < features; ++i, ++at) {
        // Moved outward by more than the rounding to float32.
        const double below = std::min(0.0, facts.lower[i] - nominal[at]);
        const double above = std::max(0.0, facts.upper[i] - nominal[at]);
        lower[at] = static_cast<float>(below * (1 + 1e-6));
        upper[at] = static_cast<float>(above * (1 + 1e-6));
      }
    }
    images.tightenBox(backend, pre, lower, upper);
  }
}

}  // namespace bulwark
