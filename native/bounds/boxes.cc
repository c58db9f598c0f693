#include "bounds/boxes.h"

#include <algorithm>
#include <cmath>

#include "bounds/schedule.h"

namespace bulwark {

namespace {

/// Whether interval steps give the exact box of a node over a whole ball or a box: one affine map at most
/// lies between the input and it. Over two that were not folded, features of the first vary together.
bool boxExact(const Network& network, int id) {
  const Node& node = network.nodes[id];
  return id == 0 || (node.kind == NodeKind::affine && node.inputs[0] == 0);
}

std::vector<NeuronRows::Neuron> unstableNeurons(const Images& images, Backend& backend, int node) {
  const std::vector<float> nominal = images.nominal(backend, node);
  std::vector<float> lower, upper;
  images.readBox(backend, node, lower, upper);
  const int features = static_cast<int>(nominal.size() / images.count());
  std::vector<NeuronRows::Neuron> neurons;
  for (size_t at = 0; at < nominal.size(); ++at) {
    if (nominal[at] + lower[at] >= 0 || nominal[at] + upper[at] <= 0) continue;
    neurons.push_back({static_cast<int>(at / features), static_cast<int>(at % features), nominal[at]});
  }
  return neurons;
}

/// Position of the first ReLU that reads a node.
int reluAt(const Network& network, int pre) {
  int position = 0;
  for (const Node& node : network.nodes) {
    if (node.kind != NodeKind::relu) continue;
    if (node.inputs[0] == pre) return position;
    ++position;
  }
  return -1;
}

void tightenFrom(Images& images, Backend& backend, int node, const NeuronRows& source, RowResults& results,
                 std::vector<std::vector<Leaf>>& leaves) {
  const int relu = reluAt(images.prepared().network, node);
  const std::vector<int> below = images.prepared().network.relusBelow(node);
  std::vector<float> lower, upper;
  images.readBox(backend, node, lower, upper);
  const size_t features = lower.size() / images.count();
  for (long row = 0; row < source.count(); ++row) {
    const NeuronRows::Neuron& neuron = source.neuron(row);
    const size_t at = neuron.image * features + neuron.feature;
    // The bound relative to the nominal value, moved outward by more than its rounding to float32.
    const double reach = std::min(0.0, results.lower[row] - source.constant(row));
    const float outward = static_cast<float>(reach * (1 + 1e-6));
    const float sign = NeuronRows::sign(row);
    float& end = sign > 0 ? lower[at] : upper[at];
    if (!(sign * end < outward)) continue;
    end = sign * outward;
    for (Leaf& leaf : leaves[row]) {
      for (Split& split : leaf.splits) split.relu = below[split.relu];
      images.claims.push_back(
          {neuron.image, relu, neuron.feature, sign, std::move(leaf.multipliers), std::move(leaf.splits)});
    }
    if (!leaves[row].empty() || results.multipliers.empty() || !results.finished[row]) continue;
    images.claims.push_back(
        {neuron.image, relu, neuron.feature, sign, std::move(results.multipliers[row]), {}});
  }
  images.tightenBox(backend, node, lower, upper);
}

}  // namespace

void tightenBoxes(Images& images, Workers& workers, const BoundsOptions& options, const StopCheck& stop,
                  BoxRefiner* refiner) {
  const Network& network = images.prepared().network;
  const bool firstExact = !images.input().clipped || images.input().kind == InputKind::box;
  const int output = static_cast<int>(network.nodes.size()) - 1;

  AscentOptions ascent;
  ascent.iterations = options.boxes == BoxSource::optimised ? options.boxIterations : 0;
  ascent.learningRate = options.learningRate;
  ascent.decay = options.decay;
  ascent.stopWhenProven = true;
  for (int node = 0; node < output; ++node) {
    if (!images.kept(node) || (firstExact && boxExact(network, node))) continue;
    const NeuronRows source(unstableNeurons(images, workers.main(), node));
    if (source.count() == 0) continue;
    RowResults results = boundRows(source, images, workers, node, presetOf(options.method), ascent, stop, {},
                                   {.multipliers = options.multipliers || refiner});
    std::vector<std::vector<Leaf>> leaves(source.count());
    if (refiner && !stop()) refiner->refine(images, node, source, results, leaves);
    if (!options.multipliers) {
      for (auto& each : leaves) each.clear();
      results.multipliers.clear();
    }
    tightenFrom(images, workers.main(), node, source, results, leaves);
    if (stop()) return;
    workers.eachStretch(images.blocks(), [&](int first, int count, Backend& backend) {
      images.propagateBoxes(backend, first, count);
    });
  }
}

void moveClaims(Images& images, int first, std::vector<BoxClaim>& into) {
  for (BoxClaim& claim : images.claims) {
    claim.image += first;
    into.push_back(std::move(claim));
  }
  images.claims.clear();
}

std::unique_ptr<Images> boxedImages(const Prepared& prepared, const Region& region, int first, int count,
                                    const BoundsOptions& options, Workers& workers, const StopCheck& stop,
                                    BoxRefiner* refiner) {
  const bool balls = needsBalls(region, options.method);
  if (balls && !prepared.computeNorms(stop, workers.parallel())) return nullptr;
  auto images = std::make_unique<Images>(prepared, workers.main(), region, first, count, balls);
  workers.eachStretch(images->blocks(), [&](int block, int blocks, Backend& backend) {
    images->runNominal(backend, block, blocks);
    if (options.method != Method::lip) images->propagateBoxes(backend, block, blocks);
  });
  if (options.boxSupply) {
    options.boxSupply(*images, first);
    workers.each(images->blocks(),
                 [&](int block, Backend& backend) { images->propagateBoxes(backend, block); });
  } else if (options.boxes != BoxSource::cheap && options.method != Method::lip) {
    tightenBoxes(*images, workers, options, stop, refiner);
  }
  return images;
}

}  // namespace bulwark
