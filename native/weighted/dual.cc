#include "weighted/dual.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "kernels/coupling.h"
#include "weighted/lanczos.h"

namespace bulwark::weighted {
namespace {

constexpr int kLanczosSteps = 10, kInputSteps = 4;

/// Each lane's image, feature by feature.
Lanes gathered(std::span<const proof::ImageFacts* const> images, const auto& of) {
  Lanes out = lanesOf(static_cast<int>(of(*images[0]).size()));
  for (size_t lane = 0; lane < kLanes; ++lane) {
    const std::vector<double>& values = of(*images[std::min(lane, images.size() - 1)]);
    for (size_t i = 0; i < values.size(); ++i) out[i * kLanes + lane] = values[i];
  }
  return out;
}

void subtract(const Lanes& from, Lanes& values) {
  for (size_t i = 0; i < values.size(); ++i) values[i] -= from[i];
}

Lanes exponential(const Lanes& x) {
  Lanes y = x;
  for (double& value : y) value = std::exp(value);
  return y;
}

/// phi over one piece of a neuron's box, where dx = ride dz + shift.
struct Piece {
  double value, dz, dx;
};
Piece pieceOf(double c, double v, double lambda, double m, bool active, double zhat, double low,
              double high) {
  const double shift = active ? std::min(zhat, 0.0) : -std::max(zhat, 0.0);
  const double bend = active ? lambda - m : lambda, tilt = active ? c - v - m * shift : -v;
  double dz = bend > 0 ? -tilt / bend : (tilt > 0 ? low : high);
  dz = std::min(std::max(dz, low), high);
  const double dx = active ? dz + shift : shift;
  return {c * dx - v * dz + 0.5 * (lambda * dz * dz - m * dx * dx), dz, dx};
}

}  // namespace

Dual::Dual(const Plan& plan, std::span<const proof::ImageFacts* const> images)
    : plan_(plan), layers_(plan.layers().size()), signal_(plan.network().nodeCount()) {
  const auto fact = [&](int node, std::vector<double> proof::NodeFacts::* member) {
    return gathered(images, [&](const proof::ImageFacts& image) -> const std::vector<double>& {
      return image.at(node).*member;
    });
  };
  const auto ofInput = [&](std::vector<double> proof::InputSet::* member) {
    return gathered(images, [&](const proof::ImageFacts& image) -> const std::vector<double>& {
      return image.input().*member;
    });
  };
  for (size_t k = 0; k < layers_.size(); ++k) {
    const PlannedLayer& planned = plan.layers()[k];
    Layer& layer = layers_[k];
    layer.zhat = fact(planned.pre, &proof::NodeFacts::zhat);
    layer.lower = fact(planned.pre, &proof::NodeFacts::lower);
    layer.upper = fact(planned.pre, &proof::NodeFacts::upper);
    subtract(layer.zhat, layer.lower);
    subtract(layer.zhat, layer.upper);
    if (planned.weighted) layer.top = lanesOf(planned.size, 1);
    for (size_t lane = 0; lane < kLanes; ++lane)
      layer.rho[lane] = images[std::min(lane, images.size() - 1)]->at(planned.pre).rho;
  }
  input_.center = ofInput(&proof::InputSet::center);
  input_.lower = ofInput(&proof::InputSet::lower);
  input_.upper = ofInput(&proof::InputSet::upper);
  subtract(input_.center, input_.lower);
  subtract(input_.center, input_.upper);
  input_.clipped = images[0]->input().clipped;
  for (size_t lane = 0; lane < kLanes; ++lane)
    input_.eps[lane] = images[std::min(lane, images.size() - 1)]->input().eps;
  inputLambda_ = lanesOf(1, 1);
}

Lanes Dual::product(int node, bool forward, const Lanes& x) const {
  const auto& network = plan_.network();
  const int to = forward ? node : network.network().nodes[node].inputs[0];
  Lanes y = lanesOf(network.size(to));
  const double* from = x.data();
  double* into = y.data();
  const proof::Operator& op = network.operatorOf(node);
  if (forward) {
    op.forward(proof::kernels(), 1, &from, &into);
  } else {
    op.adjoint(proof::kernels(), 1, &from, &into);
  }
  return y;
}

/// A layer without weights has one number for all its neurons.
double Dual::lambdaAt(const Layer& layer, size_t at) const {
  return layer.lambda[layer.share.empty() ? at % kLanes : at];
}

// --- what layers pay ---

void Dual::pay(const std::vector<Variables>& variables) {
  for (size_t k = 0; k < layers_.size(); ++k) {
    Layer& layer = layers_[k];
    layer.slope = variables[k].slope;
    layer.kappa = exponential(variables[k].logKappa);
    layer.share = exponential(variables[k].logShare);
    layer.paid.assign(layer.kappa.size(), 0);
  }
  for (size_t k = layers_.size(); k-- > 0;) payOf(k);
}

void Dual::payOf(size_t k) {
  const PlannedLayer& planned = plan_.layers()[k];
  Layer& layer = layers_[k];
  layer.lambda = layer.kappa;
  for (size_t i = 0; i < layer.lambda.size(); ++i) layer.lambda[i] += layer.paid[i];
  Layer* source = planned.source >= 0 ? &layers_[planned.source] : nullptr;
  if (!planned.weighted) {
    for (size_t lane = 0; lane < kLanes; ++lane) layer.square[lane] = planned.factor * layer.lambda[lane];
    for (size_t i = 0; source && i < source->paid.size(); ++i) source->paid[i] += layer.square[i % kLanes];
    return;
  }
  Lanes root = layer.lambda, scaled(root.size()), before;
  for (double& value : root) value = std::sqrt(value);
  const double* from = scaled.data();
  const Product product = [&](const Lanes& x, Lanes& y) {
    for (size_t i = 0; i < x.size(); ++i) scaled[i] = root[i] * x[i];
    double* to = y.data();
    if (planned.gram) {
      planned.gram->forward(proof::kernels(), 1, &from, &to);
    } else {
      before.resize(source->share.size());
      double* middle = before.data();
      planned.product->adjoint(proof::kernels(), 1, &from, &middle);
      for (size_t i = 0; i < before.size(); ++i) before[i] /= source->share[i];
      const double* back = middle;
      planned.product->forward(proof::kernels(), 1, &back, &to);
    }
    for (size_t i = 0; i < y.size(); ++i) y[i] *= root[i];
  };
  layer.square = largestEigenvalue(product, kLanczosSteps, layer.top);
  if (!source) return;
  if (source->share.empty()) {
    for (size_t lane = 0; lane < kLanes; ++lane) source->paid[lane] += layer.square[lane];
    return;
  }
  for (size_t i = 0; i < source->paid.size(); ++i)
    source->paid[i] += layer.square[i % kLanes] * source->share[i];
  for (size_t i = 0; i < scaled.size(); ++i) scaled[i] = root[i] * layer.top[i];
  layer.payer.resize(source->share.size());
  double* to = layer.payer.data();
  planned.product->adjoint(proof::kernels(), 1, &from, &to);
  for (size_t i = 0; i < layer.payer.size(); ++i) {
    const double length = source->share[i] * std::sqrt(layer.square[i % kLanes]);
    layer.payer[i] = length > 0 ? layer.payer[i] / length : 0;
  }
}

// --- the way back ---

PerLane Dual::evaluate(const std::vector<Variables>& variables) {
  pay(variables);
  return backward();
}

void Dual::give(Lanes from, Lanes& to) {
  if (to.empty()) {
    to = std::move(from);
  } else {
    for (size_t i = 0; i < to.size(); ++i) to[i] += from[i];
  }
}

PerLane Dual::backward() {
  const Network& network = plan_.network().network();
  for (Lanes& each : signal_) each.clear();
  signal_.back() = goal_;
  PerLane total;
  size_t layer = layers_.size();
  for (int id = plan_.network().nodeCount() - 1; id > 0; --id) {
    const Node& node = network.nodes[id];
    if (node.kind == NodeKind::affine) {
      give(product(id, false, signal_[id]), signal_[node.inputs[0]]);
    } else if (node.kind == NodeKind::add) {
      give(signal_[id], signal_[node.inputs[0]]);
      give(signal_[id], signal_[node.inputs[1]]);
    } else {
      Layer& here = layers_[--layer];
      here.c = std::move(signal_[id]);
      const PerLane value = passRelu(here);
      for (size_t lane = 0; lane < kLanes; ++lane) {
        total[lane] += value[lane];
        if (plan_.layers()[layer].source == PlannedLayer::radius)
          total[lane] -= 0.5 * here.lambda[lane] * here.rho[lane] * here.rho[lane];
      }
      Lanes v = here.c;
      for (size_t i = 0; i < v.size(); ++i) v[i] *= here.slope[i];
      give(std::move(v), signal_[node.inputs[0]]);
    }
  }
  const PerLane value = reachInput();
  for (size_t lane = 0; lane < kLanes; ++lane) total[lane] += value[lane];
  return total;
}

PerLane Dual::passRelu(Layer& layer) {
  PerLane sum;
  layer.dz.resize(layer.c.size());
  layer.dx.resize(layer.c.size());
  const bool shared = layer.share.empty();
  for (size_t i = 0; i < layer.c.size(); ++i) {
    const size_t lane = i % kLanes, at = shared ? lane : i;
    const double c = layer.c[i], v = layer.slope[i] * c, zhat = layer.zhat[i], low = layer.lower[i],
                 high = layer.upper[i], lambda = layer.lambda[at], m = layer.paid[at];
    Piece best{INFINITY, 0, 0};
    if (zhat + high >= 0) best = pieceOf(c, v, lambda, m, true, zhat, std::max(low, -zhat), high);
    if (zhat + low < 0) {
      const Piece other = pieceOf(c, v, lambda, m, false, zhat, low, std::min(high, -zhat));
      if (other.value < best.value) best = other;
    }
    sum[lane] += best.value;
    layer.dz[i] = best.dz;
    layer.dx[i] = best.dx;
  }
  return sum;
}

PerLane Dual::reachInput() {
  const Lanes& a = signal_[0];
  const auto square = [](double x) { return x * x; };
  Lanes dx(a.size());
  PerLane value, moved2;
  if (input_.clipped) {
    // Any multiplier gives a bound; the fixed-point steps go on from the last evaluation's.
    for (int step = 0; step <= kInputSteps; ++step) {
      PerLane inverse;
      for (size_t lane = 0; lane < kLanes; ++lane) {
        double& lambda = inputLambda_[lane];
        if (step > 0) lambda *= std::sqrt(moved2[lane]) / input_.eps[lane];
        lambda = std::max(lambda, 1e-12);
        inverse[lane] = 1 / lambda;
      }
      for (size_t i = 0; i < a.size(); ++i)
        dx[i] = std::min(std::max(-a[i] * inverse[i % kLanes], input_.lower[i]), input_.upper[i]);
      moved2 = dot(dx, dx);
    }
  } else {
    const PerLane norm2 = dot(a, a);
    for (size_t lane = 0; lane < kLanes; ++lane)
      inputLambda_[lane] = std::max(std::sqrt(norm2[lane]) / input_.eps[lane], 1e-12);
    for (size_t i = 0; i < a.size(); ++i) dx[i] = -a[i] / inputLambda_[i % kLanes];
    moved2 = dot(dx, dx);
  }
  value = dot(a, dx);
  for (size_t lane = 0; lane < kLanes; ++lane)
    value[lane] += 0.5 * inputLambda_[lane] * (moved2[lane] - square(input_.eps[lane]));
  if (!plan_.path().empty()) return couple(dx, value);
  input_.dx = std::move(dx);
  return value;
}

/// The term with what the first layer costs: kernels/coupling.h says how. `boxed` is where the rest is
/// smallest.
PerLane Dual::couple(const Lanes& boxed, PerLane value) {
  const auto planned =
      std::find_if(plan_.layers().begin(), plan_.layers().end(),
                   [](const PlannedLayer& each) { return each.source == PlannedLayer::input; });
  const Layer& layer = layers_[planned - plan_.layers().begin()];
  Lanes r = boxed;
  for (size_t i = 0; i < r.size(); ++i) r[i] *= -inputLambda_[i % kLanes];
  const std::vector<int>& path = plan_.path();
  input_.through = r;
  for (const int node : path) input_.through = product(node, true, input_.through);
  Lanes back = input_.through;
  PerLane m1;
  for (size_t i = 0; i < back.size(); ++i) {
    back[i] *= lambdaAt(layer, i);
    m1[i % kLanes] += back[i] * input_.through[i];
  }
  for (size_t i = path.size(); i-- > 0;) back = product(path[i], false, back);
  const PerLane m0 = dot(r, r), m2 = dot(back, back);
  PerLane keep, deflect;
  input_.c1 = input_.c2 = input_.byBound = {};
  for (size_t lane = 0; lane < kLanes; ++lane) {
    const double h = layer.square[lane], ball = input_.eps[lane] * input_.eps[lane], low = (1 + kApart) * h;
    const double a0 = m0[lane], a1 = std::min(m1[lane], h * a0), a2 = std::min(m2[lane], h * a1);
    const double gap = h * a0 - a1, spread = h * gap - (h * a1 - a2);
    const double t = gap > 0 ? std::clamp((h * a1 - a2) / gap, 0.0, (1 - kApart) * h) : 0;
    const double w = spread > 0 ? std::min(gap * gap / spread, a0) : 0, rest = a0 - w;
    const double mu = largestMultiplier(w, t, rest, h, ball, low);
    keep[lane] = 1;
    if (!(mu > 0)) continue;  // nothing comes through
    const double alpha = 1 / (mu - t), beta = 1 / (mu - h), bend = alpha * alpha * beta;
    const double third = a2 - 2 * t * a1 + t * t * a0;
    const double inverse = alpha * a0 + alpha * alpha * (a1 - t * a0) + bend * third;
    // What the box takes, and the ball's part.
    value[lane] += 0.5 * inputLambda_[lane] * ball + 0.5 * a0 / inputLambda_[lane];
    value[lane] -= 0.5 * (inverse + mu * ball);
    input_.c1[lane] = -0.5 * (alpha * alpha - 2 * t * bend);
    input_.c2[lane] = -0.5 * bend;
    const double held = mu <= low * (1 + 1e-12) ? ball - w * alpha * alpha - rest * beta * beta : 0;
    input_.byBound[lane] = -0.5 * (bend * beta * third + std::max(held, 0.0));
    input_.m1[lane] = a1;
    input_.m2[lane] = a2;
    input_.h[lane] = h;
    keep[lane] = inputLambda_[lane] * (alpha - t * alpha * alpha + t * t * bend);
    deflect[lane] = -(alpha * alpha - 2 * t * bend + (a1 > 0 ? a2 / a1 : 0) * bend);
  }
  input_.dx.assign(boxed.size(), 0);
  addScaled(boxed, keep, input_.dx);
  addScaled(back, deflect, input_.dx);
  if (planned->weighted) {
    Lanes weighed = input_.through;
    for (size_t i = 0; i < weighed.size(); ++i) weighed[i] *= layer.lambda[i];
    input_.returned.resize(weighed.size());
    const double* from = weighed.data();
    double* to = input_.returned.data();
    planned->gram->forward(proof::kernels(), 1, &from, &to);
  }
  return value;
}

std::vector<PerLane> Dual::coefficientNorms(const std::vector<Variables>& variables) {
  evaluate(variables);
  std::vector<PerLane> norms;
  for (const Layer& layer : layers_) {
    PerLane norm = dot(layer.c, layer.c);
    for (double& value : norm.at) value = std::sqrt(value);
    norms.push_back(norm);
  }
  return norms;
}

}  // namespace bulwark::weighted
