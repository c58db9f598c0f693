// CROWN, proven as it is computed: the dual with lambda = 0 and slopes that the boxes say, of neurons first
// and of rows then. It takes nothing from the engine, and for many small regions costs less than to have
// their multipliers made, handed over and evaluated again.
#include <algorithm>
#include <stdexcept>

#include "proof/crown_walk.h"
#include "proof/prover.h"

namespace bulwark::proof {

namespace {

/// Both ends of the neurons of one ReLU whose sign is open.
void tightenRelu(ImageFacts& facts, int node, int relu, CrownWalk& walk) {
  std::vector<int32_t> open;
  for (size_t i = 0; i < facts.at(node).lower.size(); ++i) {
    if (facts.at(node).lower[i] < 0 && facts.at(node).upper[i] > 0) open.push_back(static_cast<int32_t>(i));
  }
  std::vector<double> lower(open.size()), upper(open.size());
  walk.neurons(relu, open, lower.data(), upper.data());
  for (size_t i = 0; i < open.size(); ++i) facts.tighten(node, open[i], lower[i], upper[i]);
}

}  // namespace

void Prover::tightenByCrown() {
  const auto& relus = network_.relus();
  inGroups(images_.size(), [&](size_t begin, size_t end, Buffers& buffers) {
    std::vector<ImageFacts*> group;
    for (size_t image = begin; image < end; ++image) {
      if (valid(static_cast<int>(image))) group.push_back(images_[image].get());
    }
    if (group.empty()) return;
    std::vector<Live> live(group.size(), Live(network_));
    CrownWalk walk(network_, kernels_, buffers);
    for (size_t place = 0; place < group.size(); ++place) live[place].begin(*group[place]);
    int narrowed = network_.nodeCount();  // what follows from this node's boxes is not yet derived
    for (int target = 0; target < static_cast<int>(relus.size()) && !stop_(); ++target) {
      const int node = network_.targetNode(target);
      if (narrowed < node) ImageFacts::propagate(group, narrowed, node, buffers);
      for (size_t place = 0; place < group.size(); ++place) {
        if (target > 0) live[place].set(target - 1, group[place]->at(network_.targetNode(target - 1)));
        if (network_.relusBelow(target).empty()) continue;  // the cheap box is as good
        walk.begin(live[place], group[place]->input());
        tightenRelu(*group[place], node, target, walk);
      }
      if (!network_.relusBelow(target).empty()) narrowed = node;
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
    if (claims[i].multipliers || !claims[i].splits.empty() || !claims[i].inputSlope.empty())
      throw std::invalid_argument("proof: CROWN takes no multipliers, splits or slopes");
    if (i == 0 || claims[i].image != claims[i - 1].image) begins.push_back(i);
  }
  begins.push_back(claims.size());
  std::vector<Buffers> buffers(pool_.size());
  pool_.parallelFor(static_cast<long>(begins.size()) - 1, [&](long index, int worker) {
    const size_t end = begins[index + 1];
    const int image = claims[begins[index]].image;
    if (!valid(image)) return;
    Live live(network_);
    live.begin(*images_[image]);
    for (int relu = 0; relu < static_cast<int>(network_.relus().size()); ++relu)
      live.set(relu, images_[image]->at(network_.targetNode(relu)));
    CrownWalk walk(network_, kernels_, buffers[worker]);
    walk.begin(live, images_[image]->input());
    for (size_t first = begins[index]; first < end && !stop_();) {
      size_t count = 1;
      while (count < walk.together() && first + count < end &&
             claims[first + count].target == claims[first].target)
        ++count;
      walk.rows(claims.subspan(first, count), bounds.data() + first,
                affine.empty() ? affine : affine.subspan(first, count));
      first += count;
    }
  });
  return bounds;
}

}  // namespace bulwark::proof
