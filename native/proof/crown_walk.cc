#include "proof/crown_walk.h"

#include <algorithm>
#include <cmath>

#include "proof/rounding.h"

namespace bulwark::proof {
namespace {

/// Of coefficients, so that those of the widest node stay in a cache.
constexpr int64_t kDoublesAtOnce = 1 << 15;
constexpr int64_t kMostPlanes = 32;

}  // namespace

CrownWalk::CrownWalk(const ProofNetwork& network, const KernelTable& kernels, Buffers& buffers)
    : network_(network),
      kernels_(kernels),
      buffers_(buffers),
      slack_(sumSlack(network)),
      signal_(network.nodeCount()) {
  int64_t widest = 1;
  for (int node = 0; node < network.nodeCount(); ++node)
    widest = std::max<int64_t>(widest, network.size(node));
  together_ = kLanes * std::clamp<int64_t>(kDoublesAtOnce / kLanes / widest, 1, kMostPlanes);
}

void CrownWalk::begin(Live& live, const InputSet& input) {
  live_ = &live;
  input_ = &input;
}

void CrownWalk::start(size_t lanes) {
  planes_ = static_cast<int>((lanes + kLanes - 1) / kLanes);
  for (std::vector<double>* sums : {&sum_, &magnitude_, &lost_})
    sums->assign(static_cast<size_t>(planes_) * kLanes, 0.0);
  for (Signal& signal : signal_) signal.data.reset();
}

size_t CrownWalk::planeOf(int list, int node) const {
  return static_cast<size_t>(live_->count(list, node)) * kLanes;
}

Buffers::Buffer CrownWalk::take(int list, int node) {
  return buffers_.take(std::max<size_t>(1, planeOf(list, node) * planes_));
}

void CrownWalk::neurons(int relu, std::span<const int32_t> features, double* lower, double* upper) {
  for (size_t first = 0; first < features.size(); first += together_ / 2) {
    const size_t count = std::min(together_ / 2, features.size() - first);
    someNeurons(relu, features.subspan(first, count), lower + first, upper + first);
  }
}

void CrownWalk::someNeurons(int relu, std::span<const int32_t> features, double* lower, double* upper) {
  start(2 * features.size());
  startNeurons(relu, features);
  walk(network_.targetNode(relu));
  minimum();
  for (size_t i = 0; i < features.size(); ++i) {
    lower[i] = boundOf(2 * i, 0, minimum_[2 * i]);
    upper[i] = -boundOf(2 * i + 1, 0, minimum_[2 * i + 1]);
  }
}

/// The first matrix of a walk from single neurons is read, not multiplied with: row 2 i is that of
/// features[i], row 2 i + 1 its opposite.
void CrownWalk::startNeurons(int relu, std::span<const int32_t> features) {
  const std::vector<Node>& nodes = network_.network().nodes;
  const size_t lanes = sum_.size();
  const auto featureOf = [&](size_t lane) {
    return static_cast<size_t>(features[std::min(lane / 2, features.size() - 1)]);
  };
  const auto signOf = [](size_t lane) { return lane % 2 == 0 ? 1.0 : -1.0; };
  int id = network_.targetNode(relu);
  for (; nodes[id].kind == NodeKind::affine; id = nodes[id].inputs[0]) {
    const Operator& op = network_.operatorOf(id);
    const auto* linear = std::get_if<Linear>(&network_.network().affines[nodes[id].affine]);
    if (!linear && !op.shifts()) break;
    const std::vector<double>& loss = live_->facts().at(id).loss;
    for (size_t lane = 0; lane < lanes; ++lane) {
      const size_t feature = featureOf(lane);
      if (!op.bias().empty()) sum_[lane] += signOf(lane) * op.bias()[feature];
      lost_[lane] += loss[feature];
    }
    if (!linear) continue;
    const int from = nodes[id].inputs[0], list = live_->listOf(from);
    Signal signal{take(list, from), list};
    const int count = live_->count(list, from);
    double* out = signal.data.get();
    for (size_t plane = 0; plane < lanes; plane += kLanes) {
      const double* row[kLanes];
      for (size_t lane = 0; lane < kLanes; ++lane)
        row[lane] = linear->weight.data() + featureOf(plane + lane) * linear->in;
      for (int i = 0; i < count; ++i, out += kLanes) {
        const int feature = list < 0 ? i : live_->relu(list).features[i];
        for (int lane = 0; lane < kLanes; lane += 2) {
          out[lane] = row[lane][feature];
          out[lane + 1] = -row[lane + 1][feature];
        }
      }
    }
    return hand(std::move(signal), from);
  }
  double* unit = wholeAt(id);
  for (size_t lane = 0; lane < lanes; ++lane)
    unit[lane / kLanes * planeOf(-1, id) + featureOf(lane) * kLanes + lane % kLanes] = signOf(lane);
}

/// Coefficients of all neurons, 0 so far: of those to start from, none may be left out, be it 0 or not.
double* CrownWalk::wholeAt(int node) {
  signal_[node] = {take(-1, node), -1};
  std::fill_n(signal_[node].data.get(), planeOf(-1, node) * planes_, 0.0);
  return signal_[node].data.get();
}

void CrownWalk::startRows(std::span<const Claim> claims) {
  start(claims.size());
  const int target = network_.targetNode(claims[0].target), size = network_.size(target);
  double* whole = wholeAt(target);
  for (size_t claim = 0; claim < claims.size(); ++claim) {
    double* to = whole + claim / kLanes * planeOf(-1, target) + claim % kLanes;
    const std::vector<double>& row = claims[claim].row;
    if (row.empty()) {
      to[static_cast<size_t>(claims[claim].feature) * kLanes] = claims[claim].sign;
    } else {
      for (int i = 0; i < size; ++i) to[static_cast<size_t>(i) * kLanes] = row[i];
    }
  }
}

void CrownWalk::walk(int from) {
  for (int id = from; id > 0; --id) {
    if (!signal_[id].data) continue;
    const Node& node = network_.network().nodes[id];
    if (node.kind == NodeKind::affine) {
      passAffine(id, node.inputs[0]);
    } else if (node.kind == NodeKind::relu) {
      passRelu(id, node.inputs[0]);
    } else {
      lose(id);
      for (const int input : node.inputs) {
        Signal copy{take(signal_[id].list, id), signal_[id].list};
        std::copy_n(signal_[id].data.get(), planeOf(copy.list, id) * planes_, copy.data.get());
        hand(std::move(copy), input);
      }
    }
    signal_[id].data.reset();
  }
  if (!signal_[0].data) wholeAt(0);
  lose(0);
}

/// What a node adds to the sum, and what its perturbation r takes.
void CrownWalk::lose(int id) {
  const Signal& signal = signal_[id];
  const double* bias = live_->bias(id, signal.list);
  const double* loss = live_->loss(id, signal.list);
  if (!bias && !loss) return;
  const int count = live_->count(signal.list, id);
  for (int plane = 0; plane < planes_; ++plane) {
    const ptrdiff_t lane = static_cast<ptrdiff_t>(plane) * kLanes;
    kernels_.weigh(count, false, signal.data.get() + lane * count, bias, loss, sum_.data() + lane,
                   lost_.data() + lane);
  }
}

void CrownWalk::passAffine(int id, int from) {
  lose(id);
  Signal signal = std::move(signal_[id]);
  const int list = live_->listOf(from);
  const bool listed = signal.list == live_->listOf(id);
  if (network_.operatorOf(id).shifts()) {
    if (listed || list < 0) return hand(std::move(signal), from);
    signal_[from] = std::move(signal);  // of a target: see wholeAt
    return;
  }
  if (const double* weights = listed ? live_->weights(id) : nullptr) {
    Signal result{take(list, from), list};
    kernels_.planes({live_->count(list, from), live_->count(signal.list, id), planes_, weights,
                     signal.data.get(), result.data.get()});
    return hand(std::move(result), from);
  }
  const size_t whole = planeOf(-1, id), part = planeOf(signal.list, id), read = planeOf(-1, from);
  Signal result{take(-1, from), -1};
  const Buffers::Buffer spread = buffers_.take(whole * kBlocks);
  for (int plane = 0; plane < planes_; plane += kBlocks) {
    const int blocks = std::min(kBlocks, planes_ - plane);
    const double* in[kBlocks];
    double* out[kBlocks];
    for (int block = 0; block < blocks; ++block) {
      in[block] = signal.data.get() + part * static_cast<size_t>(plane + block);
      out[block] = result.data.get() + read * static_cast<size_t>(plane + block);
      if (signal.list < 0) continue;
      double* all = spread.get() + whole * static_cast<size_t>(block);
      live_->convert(signal.list, -1, id, in[block], all);
      in[block] = all;
    }
    network_.operatorOf(id).adjoint(kernels_, blocks, in, out);
  }
  hand(std::move(result), from);
}

void CrownWalk::passRelu(int id, int pre) {
  if (signal_[id].list < 0) hand(std::move(signal_[id]), id);  // a target; what is 0 may be left out here
  Signal signal = std::move(signal_[id]);
  const LiveRelu& live = live_->relu(signal.list);
  const auto count = static_cast<int>(live.features.size());
  for (int plane = 0; plane < planes_; ++plane) {
    const ptrdiff_t lane = static_cast<ptrdiff_t>(plane) * kLanes;
    double* coefficients = signal.data.get() + lane * count;
    kernels_.crown({count, coefficients, live.lower.data(), live.upper.data(), live.reach.data(),
                    live.slopeBelow.data(), live.slopeAbove.data(), sum_.data() + lane,
                    magnitude_.data() + lane});
  }
  hand(std::move(signal), pre);
}

/// Coefficients for a node that may have other readers.
void CrownWalk::hand(Signal signal, int node) {
  const int list = live_->listOf(node);
  if (signal.list != list) {
    Signal converted{take(list, node), list};
    for (int plane = 0; plane < planes_; ++plane) {
      live_->convert(signal.list, list, node, signal.data.get() + planeOf(signal.list, node) * plane,
                     converted.data.get() + planeOf(list, node) * plane);
    }
    signal = std::move(converted);
  }
  if (!signal_[node].data) {
    signal_[node] = std::move(signal);
    return;
  }
  // u |sum| X, and u |v| X should v have been fused into the sum unrounded.
  const std::vector<double>& magnitude = live_->facts().at(node).magnitude;
  const int count = live_->count(list, node);
  double* into = signal_[node].data.get();
  const double* from = signal.data.get();
  for (int plane = 0; plane < planes_; ++plane) {
    double moved[kLanes] = {};
    for (int i = 0; i < count; ++i) {
      const double weight = magnitude[list < 0 ? i : live_->relu(list).features[i]];
      for (int lane = 0; lane < kLanes; ++lane, ++into, ++from) {
        *into += *from;
        moved[lane] += weight * (std::fabs(*into) + std::fabs(*from));
      }
    }
    for (int lane = 0; lane < kLanes; ++lane) lost_[plane * kLanes + lane] += 2 * kUnit * upSum(moved[lane]);
  }
}

void CrownWalk::minimum() {
  minimum_.resize(sum_.size());
  for (int plane = 0; plane < planes_; ++plane) {
    inputMinimum(kernels_, *input_, signal_[0].data.get() + planeOf(-1, 0) * plane, slack_,
                 minimum_.data() + static_cast<ptrdiff_t>(plane) * kLanes);
  }
}

double CrownWalk::boundOf(size_t lane, double constant, double minimum) const {
  const double parts[] = {sum_[lane], minimum, constant};
  double bound = 0, size = 0;
  for (const double part : parts) bound += part, size += std::fabs(part);
  const double taken = up(upSum(magnitude_[lane]) * slack_ + upSum(lost_[lane]) + live_->facts().underflow());
  bound = below(below(bound - up(size * 8 * kUnit)) - taken);
  return std::isfinite(bound) ? bound : -kInfinity;
}

void CrownWalk::rows(std::span<const Claim> claims, double* bounds, std::span<const AffineRow> affine) {
  const auto size = static_cast<size_t>(network_.size(0));
  std::vector<double> offsets(claims.size());
  affineRows(claims, bounds, nullptr, offsets.data());
  if (affine.empty()) return;
  // Rows less what is rounded of their coefficients, which becomes their slopes.
  const std::vector<double>& magnitude = live_->facts().at(0).magnitude;
  double* rest = signal_[0].data.get();
  for (size_t claim = 0; claim < claims.size(); ++claim) {
    double* lane = rest + claim / kLanes * planeOf(-1, 0) + claim % kLanes;
    double moved = 0;
    for (size_t i = 0; i < size; ++i) {
      double& g = lane[i * kLanes];
      const auto slope = static_cast<float>(g);
      affine[claim].slope[i] = slope;
      g -= slope;
      moved += magnitude[i] * (std::fabs(g) + std::fabs(static_cast<double>(slope)));
    }
    lost_[claim] += 2 * kUnit * upSum(moved);
  }
  minimum();
  for (size_t claim = 0; claim < claims.size(); ++claim)
    *affine[claim].offset = boundOf(claim, claims[claim].constant, minimum_[claim]);
}

void CrownWalk::affineRows(std::span<const Claim> claims, double* bounds, double* slopes, double* offsets) {
  startRows(claims);
  walk(network_.targetNode(claims[0].target));
  minimum();
  const auto size = static_cast<size_t>(network_.size(0));
  for (size_t claim = 0; claim < claims.size(); ++claim) {
    const double constant = claims[claim].constant;
    bounds[claim] = boundOf(claim, constant, minimum_[claim]);
    offsets[claim] = boundOf(claim, constant, 0);
    if (!slopes) continue;
    const double* lane = signal_[0].data.get() + claim / kLanes * planeOf(-1, 0) + claim % kLanes;
    for (size_t i = 0; i < size; ++i) slopes[claim * size + i] = lane[i * kLanes];
  }
}

}  // namespace bulwark::proof
