// CROWN, proven as it is computed: the dual with lambda = 0 and slopes that the boxes say, of neurons first
// and of rows then. It takes nothing from the engine, and for many small regions costs less than to have
// their multipliers made, handed over and evaluated again.
#include <algorithm>
#include <stdexcept>

#include "proof/prover.h"
#include "proof/walk.h"

namespace bulwark::proof {

namespace {

/// Both ends of the neurons of one ReLU whose sign is open.
void tightenRelu(const ProofNetwork& network, std::span<const std::unique_ptr<ImageFacts>> images, int image,
                 const KernelTable& kernels, int target, Buffers& buffers) {
  ImageFacts& facts = *images[image];
  constexpr size_t kNeurons = kLanes / 2;
  const int node = network.targetNode(target);
  std::vector<int32_t> open;
  for (int i = 0; i < network.size(node); ++i) {
    if (facts.at(node).lower[i] < 0 && facts.at(node).upper[i] > 0) open.push_back(i);
  }
  Claim ends[kLanes];
  const Claim* block[kLanes];
  for (size_t first = 0; first < open.size(); first += kNeurons) {
    const size_t count = std::min(kNeurons, open.size() - first);
    for (size_t lane = 0; lane < 2 * count; ++lane) {
      ends[lane].image = image;
      ends[lane].target = target;
      ends[lane].feature = open[first + lane / 2];
      ends[lane].sign = lane % 2 == 0 ? 1 : -1;
      block[lane] = &ends[lane];
    }
    double bounds[kLanes];
    const WalkBlock rows{{block, 2 * count}, bounds, {}};
    walkBack(network, images, kernels, {&rows, 1}, buffers);
    for (size_t i = 0; i < count; ++i)
      facts.tighten(node, open[first + i], bounds[2 * i], -bounds[2 * i + 1]);
  }
}

}  // namespace

void Prover::tightenByCrown() {
  const auto& relus = network_.relus();
  inGroups(images_.size(), [&](size_t begin, size_t end, Buffers& buffers) {
    std::vector<int> numbers;
    std::vector<ImageFacts*> group;
    for (int image = static_cast<int>(begin); image < static_cast<int>(end); ++image) {
      if (!valid(image)) continue;
      numbers.push_back(image);
      group.push_back(images_[image].get());
    }
    if (group.empty()) return;
    int narrowed = network_.nodeCount();  // what follows from this node's boxes is not yet derived
    for (int target = 0; target < static_cast<int>(relus.size()) && !stop_(); ++target) {
      const int node = network_.targetNode(target);
      if (network_.relusBelow(target).empty()) continue;  // the cheap box is as good
      if (narrowed < node) ImageFacts::propagate(group, narrowed, node, buffers);
      for (const int image : numbers) tightenRelu(network_, images_, image, kernels_, target, buffers);
      narrowed = node;
    }
    if (narrowed < network_.nodeCount()) ImageFacts::propagate(group, narrowed, buffers);
  });
}

std::vector<double> Prover::crownBounds(std::span<const Claim> claims,
                                        std::span<const AffineRow> affine) const {
  std::vector<double> bounds(claims.size(), -kInfinity);
  for (const AffineRow& row : affine) {
    std::fill_n(row.slope, network_.size(0), 0.0f);
    *row.offset = -kInfinity;
  }
  std::vector<size_t> begins;  // of the images' claims
  for (size_t i = 0; i < claims.size(); ++i) {
    check(claims[i]);
    if (claims[i].multipliers) throw std::invalid_argument("proof: CROWN takes no multipliers");
    if (i == 0 || claims[i].image != claims[i - 1].image) begins.push_back(i);
  }
  begins.push_back(claims.size());
  std::vector<Buffers> buffers(pool_.size());
  pool_.parallelFor(static_cast<long>(begins.size()) - 1, [&](long index, int worker) {
    const size_t end = begins[index + 1];
    if (!valid(claims[begins[index]].image)) return;
    for (size_t first = begins[index]; first < end && !stop_(); first += kLanes) {
      const size_t count = std::min<size_t>(kLanes, end - first);
      const Claim* block[kLanes];
      for (size_t lane = 0; lane < count; ++lane) block[lane] = &claims[first + lane];
      const WalkBlock rows{
          {block, count}, bounds.data() + first, affine.empty() ? affine : affine.subspan(first, count)};
      walkBack(network_, images_, kernels_, {&rows, 1}, buffers[worker]);
    }
  });
  return bounds;
}

}  // namespace bulwark::proof
