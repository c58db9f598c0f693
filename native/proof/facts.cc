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
constexpr int kLanes = 4;  // of mixed products: nominal, middle; radius, magnitude

double largestOf(const std::vector<double>& values) {
  double largest = 0;
  for (const double value : values) largest = std::isnan(value) ? kInfinity : std::max(largest, value);
  return largest;
}

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
  propagate();
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

void ImageFacts::propagate(int first) {
  for (int id = first; id < network_.nodeCount(); ++id) derive(id);
  double terms = 0;
  for (int id = 0; id < network_.nodeCount(); ++id) {
    const NodeFacts& facts = nodes_[id];
    const Node& node = network_.network().nodes[id];
    const double most = node.kind == NodeKind::affine ? network_.operatorOf(id).adjointTerms() : 1;
    const double largest = 2 * largestOf(facts.magnitude) + largestOf(facts.reach) + 1;
    // Products and sums whose underflow is weighed by a magnitude of the node or of one it reads.
    terms += (most + 64) * network_.size(id) * largest;
    for (const int input : node.inputs)
      terms += (most + 64) * network_.size(input) * (2 * largestOf(nodes_[input].magnitude) + 1);
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
  NodeFacts& facts = nodes_[id];
  switch (node.kind) {
    case NodeKind::input:
      deriveInput();
      break;
    case NodeKind::affine:
      deriveAffine(id);
      break;
    case NodeKind::add:
      deriveAdd(id);
      break;
    case NodeKind::relu: {
      facts = nodes_[node.inputs[0]];
      facts.reach.clear();
      facts.loss.clear();
      for (std::vector<double>* values : {&facts.lower, &facts.upper, &facts.zhat}) {
        for (double& value : *values) value = value > 0 ? value : 0;
      }
      break;
    }
  }
  finish(id);
}

void ImageFacts::deriveInput() {
  NodeFacts& facts = nodes_[0];
  facts.lower = input_.lower;
  facts.upper = input_.upper;
  facts.zhat = input_.center;
  std::vector<double> reach(facts.zhat.size()), magnitude(facts.zhat.size());
  for (size_t i = 0; i < reach.size(); ++i) {
    reach[i] = above(std::max(facts.upper[i] - facts.zhat[i], facts.zhat[i] - facts.lower[i]));
    if (reach[i] < 0) reach[i] = kInfinity;  // cannot be: the larger of two distances to an interval's ends
    magnitude[i] = std::max(std::fabs(facts.lower[i]), std::fabs(facts.upper[i]));
  }
  facts.rho = normUp(reach);
  // ||.||_2 <= ||.||_1, so an l1 ball lies in the l2 ball of its radius.
  if (input_.kind != InputKind::box) facts.rho = std::min(facts.rho, input_.eps);
  facts.loss.clear();
  facts.step = 0;
  if (arithmetic_ == Arithmetic::real) return;
  // The input rounded to float32: a step of its own, x + r.
  for (size_t i = 0; i < reach.size(); ++i) {
    facts.loss.push_back(up(gamma(2, kFloatUnit) * magnitude[i] + kFloatTiny));
    facts.lower[i] = below(facts.lower[i] - facts.loss[i]);
    facts.upper[i] = above(facts.upper[i] + facts.loss[i]);
  }
  facts.step = normUp(facts.loss);
  facts.rho = up(facts.rho + facts.step);
  if (!(largestOf(magnitude) < kFloatLargest)) valid_ = false;
}

void ImageFacts::deriveAffine(int id) {
  const Node& node = network_.network().nodes[id];
  const Operator& op = network_.operatorOf(id);
  const Composition& composition = network_.composition(id);
  const int from = node.inputs[0], size = network_.size(id);
  const NodeFacts& in = nodes_[from];
  NodeFacts& facts = nodes_[id];

  std::vector<double> x(static_cast<size_t>(network_.size(from)) * kLanes);
  for (int i = 0; i < network_.size(from); ++i) {
    const double middle = 0.5 * in.lower[i] + 0.5 * in.upper[i];
    x[i * kLanes] = in.zhat[i];
    x[i * kLanes + 1] = middle;
    const double radius = std::max(in.upper[i] - middle, middle - in.lower[i]);
    x[i * kLanes + 2] = radius > 0 ? above(radius) : 0;  // subnormal numbers would be slow
    x[i * kLanes + 3] = std::max(in.magnitude[i], std::fabs(middle));
  }
  std::vector<double> y(static_cast<size_t>(size) * kLanes);
  op.forwardMixed(kernels_, x.data(), y.data());

  const bool inFloat = arithmetic_ == Arithmetic::float32;
  const double terms = op.forwardTerms() + 8.0;
  const double rounding = gamma(terms);
  const double floatRounding = inFloat && !op.copies() ? gamma(op.forwardTerms() + 2.0, kFloatUnit) : 0;
  const double floatTiny =
      inFloat && !op.copies() ? 2 * terms * kFloatTiny * (1 + largestOf(in.magnitude)) : 0;
  const double losing = gamma(op.adjointTerms() + 8.0) + sumSlack(network_);
  const double tiny = (terms + 8) * kTiny;
  if (inFloat && !(op.largestConstant() < kFloatLargest)) valid_ = false;

  const NodeFacts& start = nodes_[composition.start];
  // Rows of the first layer see the region itself: an l1 ball's dual norm is the largest entry.
  const bool largestEntry = composition.start == 0 && input_.kind == InputKind::l1;
  const double driftBefore = driftBetween(composition.start, from);
  std::vector<double> fall, rise;
  if (composition.joined) joinedStep(composition, fall, rise);
  std::vector<double> e(size);
  facts.loss.resize(size);
  for (std::vector<double>* values : {&facts.lower, &facts.upper, &facts.zhat}) values->resize(size);
  for (int j = 0; j < size; ++j) {
    const double bias = op.bias().empty() ? 0 : op.bias()[j];
    const double m = up((y[j * kLanes + 3] + std::fabs(bias)) * (1 + 2 * rounding) + tiny);
    if (inFloat && !(m < kFloatLargest)) valid_ = false;
    const double inference = floatRounding * m + floatTiny;
    e[j] = up(rounding * m + inference + tiny);
    facts.loss[j] = up(losing * m + inference + tiny);
    facts.zhat[j] = y[j * kLanes] + bias;

    const double middle = y[j * kLanes + 1] + bias;
    const double radius = up(y[j * kLanes + 2] * (1 + 2 * rounding) + tiny + e[j]);
    const double row = largestEntry ? composition.rowMax[j] * input_.eps + composition.rowNorm[j] * start.step
                                    : composition.rowNorm[j] * start.rho;
    const double drift = up(network_.rowNorm(id)[j] * driftBefore + e[j]);
    double down = up(row + drift), rising = down;
    if (composition.joined) {
      down = std::min(down, above(drift - fall[j]));
      rising = std::min(rising, above(drift + rise[j]));
    }
    facts.lower[j] = below(std::max(middle - radius, facts.zhat[j] - down));
    facts.upper[j] = above(std::min(middle + radius, facts.zhat[j] + rising));
  }
  facts.step = normUp(e);
  facts.drift = driftBetween(composition.start, id);
  facts.rho = composition.norm < kInfinity ? up(composition.norm * start.rho + facts.drift) : kInfinity;
}

void ImageFacts::joinedStep(const Composition& chain, std::vector<double>& lower,
                            std::vector<double>& upper) const {
  const NodeFacts& start = nodes_[chain.start];
  const size_t count = start.zhat.size();
  std::vector<double> x(count * kLanes), reach(count);
  for (size_t i = 0; i < count; ++i) {
    const double low = below(start.lower[i] - start.zhat[i]), high = above(start.upper[i] - start.zhat[i]);
    const double middle = 0.5 * low + 0.5 * high;
    reach[i] = std::max(std::fabs(low), std::fabs(high));
    x[i * kLanes] = 0;
    x[i * kLanes + 1] = middle;
    x[i * kLanes + 2] = std::max(0.0, above(std::max(high - middle, middle - low)));
    x[i * kLanes + 3] = std::fabs(middle);
  }
  std::vector<double> y(chain.rowNorm.size() * kLanes);
  chain.joined->forwardMixed(kernels_, x.data(), y.data());
  const double terms = chain.joined->forwardTerms() + 8.0, rounding = gamma(terms);
  const double rest = up(chain.error * normUp(reach) + (terms + 8) * kTiny);
  for (size_t j = 0; j < chain.rowNorm.size(); ++j) {
    const double middle = y[j * kLanes + 1];
    const double radius =
        up((y[j * kLanes + 2] + 2 * rounding * y[j * kLanes + 3]) * (1 + 2 * rounding) + rest);
    lower.push_back(below(middle - radius));
    upper.push_back(above(middle + radius));
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
  facts.magnitude.resize(size);
  if (isPre_[id]) facts.reach.resize(size);
  for (size_t i = 0; i < size; ++i) {
    double &l = facts.lower[i], &u = facts.upper[i];
    if (!proven.lower.empty()) {
      l = std::max(l, proven.lower[i]);
      u = std::min(u, proven.upper[i]);
    }
    if (!(l <= u) || !std::isfinite(l) || !std::isfinite(u) || !std::isfinite(facts.zhat[i])) valid_ = false;
    const double box = std::max(std::fabs(l), std::fabs(u)), nominal = std::fabs(facts.zhat[i]);
    facts.magnitude[i] = std::max(box, nominal);
    if (isPre_[id]) facts.reach[i] = above(box + nominal);
  }
}

}  // namespace bulwark::proof
