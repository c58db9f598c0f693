#include "bounds/images.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/forward.h"

namespace bulwark {

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

float roundUp(double x) {
  const float y = static_cast<float>(x);
  return y >= x ? y : std::nextafterf(y, kInfinity);
}
float roundDown(double x) { return -roundUp(-x); }

/// Relative slack that encloses float32 rounding of a sum of `terms` products, for centre and radius: with
/// 0 in the box |mid| <= radius, so both errors are below gamma_n |A| radius.
float sumSlack(int terms) { return 2.0f * static_cast<float>(terms + 8) * 0x1p-23f; }

int termsOf(const Affine& affine) {
  if (const auto* linear = std::get_if<Linear>(&affine)) return linear->in;
  if (const auto* conv = std::get_if<Conv>(&affine)) {
    return conv->in.channels / conv->group * conv->kernel[0] * conv->kernel[1];
  }
  return 1;
}

}  // namespace

Images::Images(const Prepared& prepared, Backend& backend, const Region& region, int first, int count,
               bool balls)
    : prepared_(prepared),
      count_(count),
      blocks_((count + backend.lanes() - 1) / backend.lanes()),
      l1Input_(region.kind == InputKind::l1),
      kept_(prepared.network.nodes.size(), 0),
      bounds_(prepared.network.nodes.size()),
      arena_(backend) {
  const auto& nodes = prepared_.network.nodes;
  for (const Node& node : nodes) {
    if (node.kind == NodeKind::relu) kept_[node.inputs[0]] = 1;
  }
  kept_.back() = 1;

  const int in = prepared_.network.inputSize();
  input_.kind = region.kind;
  input_.clipped = region.clipped();
  arena_.reserve(center_, in, blocks_);
  arena_.reserve(input_.lower, in, blocks_);
  arena_.reserve(input_.upper, in, blocks_);
  arena_.reserve(input_.eps, blocks_);
  for (size_t node = 0; node < nodes.size(); ++node) {
    if (!kept_[node]) continue;
    const int features = nodes[node].shape.size();
    NodeBounds& bounds = bounds_[node];
    arena_.reserve(bounds.zhat, features, blocks_);
    arena_.reserve(bounds.lower, features, blocks_);
    arena_.reserve(bounds.upper, features, blocks_);
    arena_.reserve(bounds.rho, blocks_);
  }
  if (balls) {
    reach_.resize(prepared_.network.affines.size());
    for (size_t affine = 0; affine < reach_.size(); ++affine) {
      const int features = outputSize(prepared_.network.affines[affine]);
      arena_.reserve(reach_[affine], (features + backend.lanes() - 1) / backend.lanes());
    }
  }
  arena_.commit();

  loadRegion(backend, region, first);
  computeRadii(balls);
  std::vector<float> row(static_cast<size_t>(blocks_) * backend.lanes());
  for (size_t node = 0; node < nodes.size(); ++node) {
    if (!kept_[node]) continue;
    backend.fill(bounds_[node].lower, -kInfinity);
    backend.fill(bounds_[node].upper, kInfinity);
    for (int i = 0; i < count_; ++i) row[i] = roundUp(rho_[node][i]);
    backend.write(row.data(), bounds_[node].rho);
  }
  for (const Node& node : nodes) {
    if (reach_.empty() || node.kind != NodeKind::affine) continue;
    const Norms& norms = prepared_.norms();
    // Rows of the first layer see the region itself: an l1 ball's dual norm is the largest entry.
    std::vector<float> reach = (l1Input_ && node.inputs[0] == 0 ? norms.rowMax : norms.rowNorm)[node.affine];
    reach.resize(static_cast<size_t>(reach_[node.affine].blocks) * backend.lanes());
    backend.write(reach.data(), reach_[node.affine]);
  }
}

void Images::loadRegion(Backend& backend, const Region& region, int first) {
  const int in = prepared_.network.inputSize();
  const size_t total = static_cast<size_t>(count_) * in;
  std::vector<float> center(total), lower(total), upper(total);
  std::vector<float> eps(static_cast<size_t>(blocks_) * backend.lanes());
  inputEps_.assign(count_, std::numeric_limits<double>::infinity());
  for (int i = 0; i < count_; ++i) {
    const size_t from = (static_cast<size_t>(first) + i) * in;
    double moved = 0;  // how far rounding to float32 moved the centre, in the region's norm
    for (int j = 0; j < in; ++j) {
      const double exact = region.center[from + j];
      const size_t at = static_cast<size_t>(i) * in + j;
      center[at] = static_cast<float>(exact);
      const double shift = std::abs(center[at] - exact);
      moved = region.kind == InputKind::l1 ? moved + shift : std::hypot(moved, shift);
    }
    if (region.kind != InputKind::box) {
      inputEps_[i] = (region.eps[first + i] + moved) * (1 + 1e-12);
      eps[i] = roundUp(inputEps_[i]);
    }
    for (int j = 0; j < in; ++j) {
      const size_t at = static_cast<size_t>(i) * in + j;
      float l = region.kind == InputKind::box ? -kInfinity : -eps[i];
      float u = -l;
      if (!region.lower.empty()) {
        l = std::max(l, roundDown(region.lower[from + j] - center[at]));
        u = std::min(u, roundUp(region.upper[from + j] - center[at]));
      }
      lower[at] = std::min(l, 0.0f);
      upper[at] = std::max(u, 0.0f);
    }
  }
  backend.pack(center.data(), count_, center_);
  backend.pack(lower.data(), count_, input_.lower);
  backend.pack(upper.data(), count_, input_.upper);
  backend.write(eps.data(), input_.eps);

  if (region.kind == InputKind::box) {
    // The ball around a box: its half diagonal, for methods that need one.
    for (int i = 0; i < count_; ++i) {
      double square = 0;
      for (int j = 0; j < in; ++j) {
        const size_t at = static_cast<size_t>(i) * in + j;
        const double reach = std::max<double>(-lower[at], upper[at]);
        square += reach * reach;
      }
      inputEps_[i] = std::sqrt(square) * (1 + 1e-12);
    }
  }
}

void Images::computeRadii(bool balls) {
  const auto& nodes = prepared_.network.nodes;
  rho_.assign(nodes.size(), std::vector<double>(count_, std::numeric_limits<double>::infinity()));
  if (!balls) return;
  prepared_.computeNorms([] { return false; });  // there already where the caller could be stopped
  const Norms& norms = prepared_.norms();
  constexpr double kUp = 1 + 1e-15;  // each step rounds up: a product or sum of positive doubles
  for (size_t id = 0; id < nodes.size(); ++id) {
    const Node& node = nodes[id];
    for (int i = 0; i < count_; ++i) {
      double& rho = rho_[id][i];
      switch (node.kind) {
        case NodeKind::input:
          rho = inputEps_[i];  // ||.||_2 <= ||.||_1, so an l1 ball lies in the l2 ball of its radius
          break;
        case NodeKind::affine:
          rho = rho_[node.inputs[0]][i] * norms.spectral[node.affine] * kUp;
          break;
        case NodeKind::relu:
          rho = rho_[node.inputs[0]][i];  // ReLU is 1-Lipschitz
          break;
        case NodeKind::add:
          rho = (rho_[node.inputs[0]][i] + rho_[node.inputs[1]][i]) * kUp;
          break;
      }
    }
  }
}

void Images::runNominal(Backend& backend, int block, int count) {
  const Network& network = prepared_.network;
  const int lanes = backend.lanes();
  Arena scratch(backend);
  std::vector<View> value(network.nodes.size());
  for (size_t id = 0; id < network.nodes.size(); ++id) {
    const Node& node = network.nodes[id];
    if (node.kind == NodeKind::input) {
      value[id] = blocksOf(center_, block, count, lanes);
    } else if (kept_[id]) {
      value[id] = blocksOf(bounds_[id].zhat, block, count, lanes);
    } else {
      scratch.reserve(value[id], node.shape.size(), count);
    }
  }
  scratch.commit();
  runForward(network, prepared_.plans, backend, value);
  // A ReLU may read the input itself, or the output be the input: its nominal value is the centre.
  if (kept_[0]) backend.copy(value[0], blocksOf(bounds_[0].zhat, block, count, lanes), Write::assign);
}

void Images::propagateBoxes(Backend& backend, int block, int count) {
  const Network& network = prepared_.network;
  const int lanes = backend.lanes();
  const bool balls = std::isfinite(rho_.back()[0]);
  int widest = 0;
  for (const Node& node : network.nodes) widest = std::max(widest, node.shape.size());

  struct Box {
    View lower, upper;
  };
  std::vector<Box> box(network.nodes.size());
  Arena scratch(backend);
  View mid, radius, midOut, radiusOut;
  Rows rho;
  for (View* view : {&mid, &radius, &midOut, &radiusOut}) scratch.reserve(*view, widest, count);
  scratch.reserve(rho, count);
  for (size_t id = 1; id < network.nodes.size(); ++id) {
    scratch.reserve(box[id].lower, network.nodes[id].shape.size(), count);
    scratch.reserve(box[id].upper, network.nodes[id].shape.size(), count);
  }
  scratch.commit();
  box[0] = {blocksOf(input_.lower, block, count, lanes), blocksOf(input_.upper, block, count, lanes)};

  const auto narrowed = [](View view, int features) { return View{view.data, features, view.blocks}; };
  std::vector<float> row(static_cast<size_t>(count) * lanes);
  for (size_t id = 0; id < network.nodes.size(); ++id) {
    const Node& node = network.nodes[id];
    if (node.kind == NodeKind::affine) {
      const int from = node.inputs[0];
      const Box& in = box[from];
      const View m = narrowed(mid, in.lower.features), r = narrowed(radius, in.lower.features);
      const View mOut = narrowed(midOut, node.shape.size()), rOut = narrowed(radiusOut, node.shape.size());
      backend.midRadius(in.lower, in.upper, m, r);
      backend.apply(prepared_.plans[node.affine], Pass::forward, m, mOut, Write::assign);
      backend.apply(prepared_.plans[node.affine], Pass::magnitude, r, rOut, Write::assign);
      for (int i = 0; i < count * lanes; ++i) {
        const int image = block * lanes + i;
        row[i] = image < count_ ? roundUp(rho_[from][image]) : 0.0f;
      }
      backend.write(row.data(), rho);
      const float* reach = nullptr;
      if (balls) reach = reach_[node.affine].data;
      backend.ballBox(mOut, rOut, reach, rho, sumSlack(termsOf(network.affines[node.affine])), box[id].lower,
                      box[id].upper);
    } else if (node.kind == NodeKind::relu) {
      const int from = node.inputs[0];
      backend.reluBox(blocksOf(bounds_[from].zhat, block, count, lanes), box[from].lower, box[from].upper,
                      box[id].lower, box[id].upper);
    } else if (node.kind == NodeKind::add) {
      for (const View Box::* side : {&Box::lower, &Box::upper}) {
        backend.copy(box[node.inputs[0]].*side, box[id].*side, Write::assign);
        backend.copy(box[node.inputs[1]].*side, box[id].*side, Write::accumulate);
      }
    }
    if (!kept_[id]) continue;
    const View lower = blocksOf(bounds_[id].lower, block, count, lanes);
    const View upper = blocksOf(bounds_[id].upper, block, count, lanes);
    backend.intersectBox(box[id].lower, box[id].upper, lower, upper);
    if (id > 0) box[id] = {lower, upper};
  }
}

size_t Images::bytesEach(const Prepared& prepared) {
  const auto& nodes = prepared.network.nodes;
  size_t features = nodes.front().shape.size() + nodes.back().shape.size();
  for (const Node& node : nodes) {
    if (node.kind == NodeKind::relu) features += nodes[node.inputs[0]].shape.size();
  }
  return 3 * sizeof(float) * features;
}

std::vector<float> Images::nominal(Backend& backend, int node) const {
  std::vector<float> out(static_cast<size_t>(count_) * bounds_[node].zhat.features);
  backend.unpack(bounds_[node].zhat, out.data(), count_);
  return out;
}

void Images::readBox(Backend& backend, int node, std::vector<float>& lower, std::vector<float>& upper) const {
  lower.resize(static_cast<size_t>(count_) * bounds_[node].zhat.features);
  upper.resize(lower.size());
  backend.unpack(bounds_[node].lower, lower.data(), count_);
  backend.unpack(bounds_[node].upper, upper.data(), count_);
}

void Images::tightenBox(Backend& backend, int node, const std::vector<float>& lower,
                        const std::vector<float>& upper) {
  Arena scratch(backend);
  View l, u;
  scratch.reserve(l, bounds_[node].lower.features, blocks_);
  scratch.reserve(u, bounds_[node].upper.features, blocks_);
  scratch.commit();
  backend.pack(lower.data(), count_, l);
  backend.pack(upper.data(), count_, u);
  backend.intersectBox(l, u, bounds_[node].lower, bounds_[node].upper);
}

}  // namespace bulwark
