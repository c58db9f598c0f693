// CROWN, proven as it is computed: the dual with lambda = 0 and slopes that the boxes say, of neurons first
// and of rows then. It takes nothing from the engine, and for many small regions costs less than to have
// their multipliers made, handed over and evaluated again.
#include <algorithm>
#include <stdexcept>

#include "proof/crown_walk.h"
#include "proof/prover.h"
#include "proof/rounding.h"

namespace bulwark::proof {

namespace {

/// Whether interval steps give the box of a ReLU's pre-activation as well as a walk would: no ReLU is below
/// it, and a chain whose product is known leads to it from the input.
bool boxExact(const ProofNetwork& network, int target) {
  const int id = network.targetNode(target);
  if (!network.relusBelow(target).empty()) return false;
  return id == 0 ||
         (network.network().nodes[id].kind == NodeKind::affine && network.composition(id).start == 0);
}

/// CROWN on the boxes of images, for one thread.
class BoxWalk {
 public:
  BoxWalk(const ProofNetwork& network, const KernelTable& kernels)
      : live_(network), walk_(network, kernels, buffers_) {}

  void begin(const ImageFacts& facts) { live_.begin(facts); }
  void set(int relu, const NodeFacts& pre) { live_.set(relu, pre); }
  /// Neurons that it pays to ask for together.
  size_t together() const { return walk_.together() / 2; }
  void neurons(int relu, std::span<const int32_t> features, double* lower, double* upper) {
    walk_.begin(live_, live_.facts().input());
    walk_.neurons(relu, features, lower, upper);
  }

 private:
  Buffers buffers_;
  Live live_;
  CrownWalk walk_;
};

std::vector<int32_t> openNeurons(const NodeFacts& pre) {
  std::vector<int32_t> open;
  for (size_t i = 0; i < pre.lower.size(); ++i) {
    if (pre.lower[i] < 0 && pre.upper[i] > 0) open.push_back(static_cast<int32_t>(i));
  }
  return open;
}

/// Narrows the boxes of some images, layer by layer.
class CrownBoxes {
 public:
  /// Every image's neurons are shared out to the threads of `pool`; null: on this thread alone.
  CrownBoxes(const ProofNetwork& network, const KernelTable& kernels, std::span<ImageFacts* const> images,
             ThreadPool* pool, const Prover::StopCheck& stop)
      : network_(network), images_(images), pool_(pool), stop_(stop), workers_(pool ? pool->size() : 1) {
    for (size_t i = 0; i < images.size() * workers_; ++i) {
      walks_.push_back(std::make_unique<BoxWalk>(network, kernels));
      walks_[i]->begin(*images[i / workers_]);
    }
  }

  void run(Buffers& buffers) {
    int narrowed = network_.nodeCount();  // what follows from this node's boxes is not yet derived
    for (int target = 0; target < static_cast<int>(network_.relus().size()) && !stop_(); ++target) {
      const int node = network_.targetNode(target);
      // A pre-activation may come before those of earlier ReLUs, whose boxes are needed all the same.
      if (narrowed < network_.nodeCount())
        ImageFacts::propagate(images_, narrowed, std::max(narrowed, node), buffers);
      for (size_t image = 0; image < images_.size(); ++image) tighten(image, target);
      if (!boxExact(network_, target)) narrowed = node;
    }
    if (narrowed < network_.nodeCount()) ImageFacts::propagate(images_, narrowed, buffers);
  }

 private:
  void tighten(size_t image, int target) {
    ImageFacts& facts = *images_[image];
    const auto walks = std::span(walks_).subspan(image * workers_, workers_);
    if (target > 0) {
      for (const auto& walk : walks) walk->set(target - 1, facts.at(network_.targetNode(target - 1)));
    }
    if (boxExact(network_, target)) return;
    const int node = network_.targetNode(target);
    const std::vector<int32_t> open = openNeurons(facts.at(node));
    std::vector<double> lower(open.size(), -kInfinity), upper(open.size(), kInfinity);
    const size_t together = walks[0]->together();
    const auto bound = [&](long index, int worker) {
      if (stop_()) return;
      const size_t first = static_cast<size_t>(index) * together,
                   count = std::min(together, open.size() - first);
      walks[worker]->neurons(target, std::span(open).subspan(first, count), lower.data() + first,
                             upper.data() + first);
    };
    const auto parts = static_cast<long>((open.size() + together - 1) / together);
    if (pool_) {
      pool_->parallelFor(parts, bound);
    } else {
      for (long part = 0; part < parts; ++part) bound(part, 0);
    }
    for (size_t i = 0; i < open.size(); ++i) facts.tighten(node, open[i], lower[i], upper[i]);
  }

  const ProofNetwork& network_;
  const std::span<ImageFacts* const> images_;
  ThreadPool* const pool_;
  const Prover::StopCheck& stop_;
  const size_t workers_;
  std::vector<std::unique_ptr<BoxWalk>> walks_;  // image by image, one for each worker
};

}  // namespace

void Prover::tightenByCrown() {
  if (images_.size() < static_cast<size_t>(pool_.size())) {
    // Fewer images than threads, which then share each image's neurons.
    Buffers buffers;
    for (size_t image = 0; image < images_.size(); ++image) {
      ImageFacts* facts = images_[image].get();
      if (derived(static_cast<int>(image)))
        CrownBoxes(network_, kernels_, {&facts, 1}, &pool_, stop_).run(buffers);
    }
    return;
  }
  inGroups(images_.size(), [&](size_t begin, size_t end, Buffers& buffers) {
    std::vector<ImageFacts*> group;
    for (size_t image = begin; image < end; ++image) {
      if (derived(static_cast<int>(image))) group.push_back(images_[image].get());
    }
    if (!group.empty()) CrownBoxes(network_, kernels_, group, nullptr, stop_).run(buffers);
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
    if (!derived(image)) return;
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
