#include "proof/facts.h"

#include <algorithm>
#include <cmath>

#include "proof/rounding.h"

namespace bulwark::proof {
namespace {

constexpr double kFloatUnit = 0x1p-24;
constexpr double kFloatTiny = 0x1p-149;
/// Partial sums of a float32 run stay below (1 + gamma') m; half of float32's range leaves room for that.
constexpr double kFloatLargest = 0x1p126;
/// Where a feature's radius and magnitude lie, from its nominal value and middle on.
constexpr int kMagnitudes = kMixedLanes / 2;

}  // namespace

/// 22 u for each minimum, and its sum's rounding: results are at most 4 times their magnitude (kernels.inl).
double sumSlack(const ProofNetwork& network) { return 32 * kUnit + 4 * gamma(network.summationDepth() + 8); }

ImageFacts::ImageFacts(const ProofNetwork& network, const Region& region, int image, Arithmetic arithmetic,
                       const KernelTable& kernels)
    : network_(network),
      arithmetic_(arithmetic),
      kernels_(kernels),
      nodes_(network.nodeCount()),
      proven_(network.nodeCount()),
      isPre_(network.nodeCount()) {
  for (const int relu : network.relus()) isPre_[network.network().nodes[relu].inputs[0]] = 1;
  setRegion(region, image);
}

void ImageFacts::setRegion(const Region& region, int image) {
  const int size = network_.size(0);
  const auto part = [&](const std::vector<double>& values) {
    return std::vector<double>(values.begin() + static_cast<ptrdiff_t>(image) * size,
                               values.begin() + static_cast<ptrdiff_t>(image + 1) * size);
  };
  input_.kind = region.kind;
  input_.clipped = region.clipped();
  input_.center = part(region.center);
  if (region.kind == InputKind::box) {
    input_.lower = part(region.lower);
    input_.upper = part(region.upper);
  } else {
    input_.eps = region.eps[image];
    if (!(input_.eps >= 0)) valid_ = false;
    for (const double center : input_.center) {
      input_.lower.push_back(below(center - input_.eps));
      input_.upper.push_back(above(center + input_.eps));
    }
    if (input_.clipped) {
      const std::vector<double> lower = part(region.lower), upper = part(region.upper);
      for (int i = 0; i < size; ++i) {
        if (std::isnan(lower[i]) || std::isnan(upper[i])) valid_ = false;
        input_.lower[i] = std::max(input_.lower[i], lower[i]);
        input_.upper[i] = std::min(input_.upper[i], upper[i]);
      }
    }
  }
  for (int i = 0; i < size; ++i) {
    const double l = input_.lower[i], u = input_.upper[i], c = input_.center[i];
    if (!(l <= u) || !std::isfinite(l) || !std::isfinite(u) || !std::isfinite(c)) valid_ = false;
    input_.reach.push_back(above(std::max(std::fabs(l), std::fabs(u)) + std::fabs(c)));
  }
}

void ImageFacts::propagate(std::span<ImageFacts* const> images, int first, Buffers& buffers) {
  propagate(images, first, images[0]->network_.nodeCount() - 1, buffers);
  for (ImageFacts* image : images) image->weighUnderflow();
}

void ImageFacts::propagate(std::span<ImageFacts* const> images, int first, int last, Buffers& buffers) {
  const ProofNetwork& network = images[0]->network_;
  for (int id = first; id <= last; ++id) {
    const bool affine = network.network().nodes[id].kind == NodeKind::affine;
    if (affine) deriveAffine(images, id, buffers);
    for (ImageFacts* image : images) {
      if (!affine) image->derive(id);
      image->finish(id);
    }
  }
}

void ImageFacts::weighUnderflow() {
  double terms = 0;
  for (int id = 0; id < network_.nodeCount(); ++id) {
    const NodeFacts& facts = nodes_[id];
    const Node& node = network_.network().nodes[id];
    const double most = node.kind == NodeKind::affine ? network_.operatorOf(id).adjointTerms() : 1;
    const double largest = 2 * facts.largestMagnitude + facts.largestReach + 1;
    // Products and sums whose underflow is weighed by a magnitude of the node or of one it reads.
    terms += (most + 64) * network_.size(id) * largest;
    for (const int input : node.inputs)
      terms += (most + 64) * network_.size(input) * (2 * nodes_[input].largestMagnitude + 1);
  }
  underflow_ = terms * 0x1p-1060;
  if (!std::isfinite(underflow_)) valid_ = false;
}

void ImageFacts::tighten(int node, int feature, double lower, double upper) {
  Proven& proven = proven_[node];
  if (proven.lower.empty()) {
    proven.lower.assign(network_.size(node), -kInfinity);
    proven.upper.assign(network_.size(node), kInfinity);
  }
  if (lower > proven.lower[feature]) proven.lower[feature] = lower;
  if (upper < proven.upper[feature]) proven.upper[feature] = upper;
}

void ImageFacts::derive(int id) {
  const Node& node = network_.network().nodes[id];
  if (node.kind == NodeKind::input) return deriveInput();
  if (node.kind == NodeKind::add) return deriveAdd(id);
  NodeFacts& facts = nodes_[id];
  const NodeFacts& pre = nodes_[node.inputs[0]];
  for (const auto member : {&NodeFacts::lower, &NodeFacts::upper, &NodeFacts::zhat}) {
    std::vector<double>& values = facts.*member;
    values = pre.*member;
    for (double& value : values) value = value > 0 ? value : 0;
  }
  facts.rho = pre.rho;
}

void ImageFacts::deriveInput() {
  NodeFacts& facts = nodes_[0];
  facts.lower = input_.lower;
  facts.upper = input_.upper;
  facts.zhat = input_.center;
  std::vector<double> reach(facts.zhat.size());
  for (size_t i = 0; i < reach.size(); ++i) {
    reach[i] = above(std::max(facts.upper[i] - facts.zhat[i], facts.zhat[i] - facts.lower[i]));
    if (reach[i] < 0) reach[i] = kInfinity;  // cannot be: the larger of two distances to an interval's ends
  }
  facts.rho = normUp(reach);
  // ||.||_2 <= ||.||_1, so an l1 ball lies in the l2 ball of its radius.
  if (input_.kind != InputKind::box) facts.rho = std::min(facts.rho, input_.eps);
  facts.loss.clear();
  facts.step = 0;
  if (arithmetic_ == Arithmetic::real) return;
  // The input rounded to float32: a step of its own, x + r.
  for (size_t i = 0; i < reach.size(); ++i) {
    const double magnitude = std::max(std::fabs(facts.lower[i]), std::fabs(facts.upper[i]));
    if (!(magnitude < kFloatLargest)) valid_ = false;
    facts.loss.push_back(up(gamma(2, kFloatUnit) * magnitude + kFloatTiny));
    facts.lower[i] = below(facts.lower[i] - facts.loss[i]);
    facts.upper[i] = above(facts.upper[i] + facts.loss[i]);
  }
  facts.step = normUp(facts.loss);
  facts.rho = up(facts.rho + facts.step);
}

void ImageFacts::deriveAffine(std::span<ImageFacts* const> images, int id, Buffers& buffers) {
  const ImageFacts& any = *images[0];
  const ProofNetwork& network = any.network_;
  const Composition& composition = network.composition(id);
  const auto product = [&](const Operator& op, int from, const auto& write) {
    const size_t in = static_cast<size_t>(network.size(from)) * kMixedLanes;
    const Buffers::Buffer x = buffers.take(in);
    if (images.size() < kTogether) std::fill_n(x.get(), in, 0.0);
    for (size_t place = 0; place < images.size(); ++place) (images[place]->*write)(from, x.get() + 2 * place);
    Buffers::Buffer y = buffers.take(static_cast<size_t>(network.size(id)) * kMixedLanes);
    op.forwardMixed(any.kernels_, x.get(), y.get());
    return y;
  };
  const int from = network.network().nodes[id].inputs[0];
  const Buffers::Buffer y = product(network.operatorOf(id), from, &ImageFacts::writeBox);
  Buffers::Buffer joined;
  if (composition.joined)
    joined = product(*composition.joined, composition.start, &ImageFacts::writeDeviations);
  for (size_t place = 0; place < images.size(); ++place)
    images[place]->readAffine(id, y.get() + 2 * place, joined ? joined.get() + 2 * place : nullptr);
}

void ImageFacts::writeBox(int from, double* x) const {
  const NodeFacts& in = nodes_[from];
  kernels_.spread({network_.size(from), in.lower.data(), in.upper.data(), in.zhat.data(), in.magnitude.data(),
                   x, x + 1, x + kMagnitudes, x + kMagnitudes + 1});
}

void ImageFacts::readAffine(int id, const double* y, const double* joined) {
  const Operator& op = network_.operatorOf(id);
  const Composition& composition = network_.composition(id);
  const int from = network_.network().nodes[id].inputs[0], size = network_.size(id);
  const NodeFacts& in = nodes_[from];
  NodeFacts& facts = nodes_[id];

  const bool inFloat = arithmetic_ == Arithmetic::float32;
  const double terms = op.forwardTerms() + 8.0;
  const double rounding = gamma(terms);
  const double floatRounding = inFloat && !op.copies() ? gamma(op.forwardTerms() + 2.0, kFloatUnit) : 0;
  const double floatTiny = inFloat && !op.copies() ? 2 * terms * kFloatTiny * (1 + in.largestMagnitude) : 0;
  const double losing = gamma(op.adjointTerms() + 8.0) + sumSlack(network_);
  const double tiny = (terms + 8) * kTiny;
  if (inFloat && !(op.largestConstant() < kFloatLargest)) valid_ = false;

  const NodeFacts& start = nodes_[composition.start];
  // Rows of the first layer see the region itself: an l1 ball's dual norm is the largest entry.
  const bool largestEntry = composition.start == 0 && input_.kind == InputKind::l1;
  std::vector<double> fall, rise;
  if (joined) readDeviations(composition, joined, fall, rise);
  for (std::vector<double>* values : {&facts.lower, &facts.upper, &facts.zhat, &facts.loss})
    values->resize(size);
  double squares = 0;
  bool usable = true;
  kernels_.box({size,
                y,
                y + 1,
                y + kMagnitudes,
                y + kMagnitudes + 1,
                op.bias().empty() ? nullptr : op.bias().data(),
                composition.rowNorm.data(),
                largestEntry ? composition.rowMax.data() : nullptr,
                network_.rowNorm(id).data(),
                joined ? fall.data() : nullptr,
                joined ? rise.data() : nullptr,
                rounding,
                floatRounding,
                losing,
                tiny,
                floatTiny,
                largestEntry ? start.step : start.rho,
                input_.eps,
                driftBetween(composition.start, from),
                inFloat ? kFloatLargest : kInfinity,
                facts.lower.data(),
                facts.upper.data(),
                facts.zhat.data(),
                facts.loss.data(),
                &squares,
                &usable});
  if (!usable) valid_ = false;
  facts.step = normUp(squares, size);
  facts.drift = driftBetween(composition.start, id);
  facts.rho = composition.norm < kInfinity ? up(composition.norm * start.rho + facts.drift) : kInfinity;
}

namespace {

struct Interval {
  double low, high;
};

/// Encloses x_i - xhat_i.
Interval deviation(const NodeFacts& facts, size_t i) {
  return {below(facts.lower[i] - facts.zhat[i]), above(facts.upper[i] - facts.zhat[i])};
}

}  // namespace

void ImageFacts::writeDeviations(int start, double* x) const {
  const NodeFacts& facts = nodes_[start];
  for (size_t i = 0; i < facts.zhat.size(); ++i, x += kMixedLanes) {
    const auto [low, high] = deviation(facts, i);
    const double middle = 0.5 * low + 0.5 * high;
    x[0] = 0;
    x[1] = middle;
    x[kMagnitudes] = std::max(0.0, above(std::max(high - middle, middle - low)));
    x[kMagnitudes + 1] = std::fabs(middle);
  }
}

void ImageFacts::readDeviations(const Composition& chain, const double* y, std::vector<double>& lower,
                                std::vector<double>& upper) const {
  const NodeFacts& start = nodes_[chain.start];
  std::vector<double> reach(start.zhat.size());
  for (size_t i = 0; i < reach.size(); ++i) {
    const auto [low, high] = deviation(start, i);
    reach[i] = std::max(std::fabs(low), std::fabs(high));
  }
  const double terms = chain.joined->forwardTerms() + 8.0, rounding = gamma(terms);
  const double rest = up(chain.error * normUp(reach) + (terms + 8) * kTiny);
  for (size_t j = 0; j < chain.rowNorm.size(); ++j, y += kMixedLanes) {
    const double radius =
        up((y[kMagnitudes] + 2 * rounding * y[kMagnitudes + 1]) * (1 + 2 * rounding) + rest);
    lower.push_back(below(y[1] - radius));
    upper.push_back(above(y[1] + radius));
  }
}

double ImageFacts::driftBetween(int start, int id) const {
  if (id == start) return 0;
  const double earlier = driftBetween(start, network_.network().nodes[id].inputs[0]);
  return up(network_.frobenius(id) * earlier + nodes_[id].step);
}

void ImageFacts::deriveAdd(int id) {
  const Node& node = network_.network().nodes[id];
  const NodeFacts &a = nodes_[node.inputs[0]], &b = nodes_[node.inputs[1]];
  NodeFacts& facts = nodes_[id];
  const bool inFloat = arithmetic_ == Arithmetic::float32;
  const size_t size = a.zhat.size();
  std::vector<double> e(size), inference(size);
  for (std::vector<double>* values : {&facts.lower, &facts.upper, &facts.zhat}) values->resize(size);
  for (size_t i = 0; i < size; ++i) {
    const double m = up(a.magnitude[i] + b.magnitude[i]);
    if (inFloat) inference[i] = up(gamma(1, kFloatUnit) * m);
    if (inFloat && !(m < kFloatLargest)) valid_ = false;
    e[i] = up(gamma(2) * m + inference[i]);
    facts.zhat[i] = a.zhat[i] + b.zhat[i];
    facts.lower[i] = below(below(a.lower[i] + b.lower[i]) - inference[i]);
    facts.upper[i] = above(above(a.upper[i] + b.upper[i]) + inference[i]);
  }
  facts.step = normUp(e);
  facts.rho = up(a.rho + b.rho + facts.step);
  facts.loss.clear();
  if (inFloat) facts.loss = std::move(inference);
}

/// What follows from box and nominal value alone.
void ImageFacts::finish(int id) {
  NodeFacts& facts = nodes_[id];
  const size_t size = facts.zhat.size();
  const Proven& proven = proven_[id];
  for (size_t i = 0; i < proven.lower.size(); ++i) {
    facts.lower[i] = std::max(facts.lower[i], proven.lower[i]);
    facts.upper[i] = std::min(facts.upper[i], proven.upper[i]);
  }
  facts.magnitude.resize(size);
  if (isPre_[id]) facts.reach.resize(size);
  bool usable = true;
  kernels_.reach({static_cast<int>(size), facts.lower.data(), facts.upper.data(), facts.zhat.data(),
                  facts.magnitude.data(), isPre_[id] ? facts.reach.data() : nullptr, &facts.largestMagnitude,
                  &facts.largestReach, &usable});
  if (!usable) valid_ = false;
}

}  // namespace bulwark::proof
