#include "selftest/dual_reference.h"

#include <algorithm>
#include <cmath>

#include "network/reference.h"

namespace bulwark::selftest {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::vector<double> biasOf(const Affine& affine) {
  const std::vector<double> zero(inputSize(affine));
  return reference::apply(affine, zero.data());
}

void accumulate(std::vector<double>& into, const std::vector<double>& from) {
  if (into.empty()) into.assign(from.size(), 0);
  for (size_t i = 0; i < from.size(); ++i) into[i] += from[i];
}

/// Adds terms and the sum of their absolute values.
struct Total {
  double sum = 0, magnitude = 0;
  void add(double term) {
    sum += term;
    magnitude += std::abs(term);
  }
};

/// min a^T x over the region; for a clipped l2 ball the one-multiplier lower bound of it at `lambda`.
std::vector<double> inputMinimum(const DualProblem& problem, const std::vector<double>& a, double lambda,
                                 Total& total) {
  std::vector<double> x = problem.center;
  const size_t size = a.size();
  const auto& [lower, upper] = std::pair(problem.lower, problem.upper);
  double constant = 0;
  if (problem.kind == InputKind::box) {
    for (size_t i = 0; i < size; ++i) x[i] = a[i] > 0 ? lower[i] : upper[i];
  } else if (problem.kind == InputKind::l2 && problem.clipped) {
    for (size_t i = 0; i < size; ++i) {
      const double free = lambda > 0 ? x[i] - a[i] / lambda : (a[i] > 0 ? -kInfinity : kInfinity);
      const double moved = problem.eps == 0 || a[i] == 0 ? x[i] : std::clamp(free, lower[i], upper[i]);
      constant += 0.5 * lambda * (moved - x[i]) * (moved - x[i]);
      x[i] = moved;
    }
    constant -= 0.5 * lambda * problem.eps * problem.eps;
  } else if (problem.kind == InputKind::l2) {
    double square = 0;
    for (const double slope : a) square += slope * slope;
    for (size_t i = 0; i < size && square > 0; ++i) x[i] -= problem.eps * a[i] / std::sqrt(square);
  } else {
    // The budget goes to the steepest features first, each up to the end of the box.
    std::vector<size_t> order(size);
    for (size_t i = 0; i < size; ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t i, size_t j) { return std::abs(a[i]) > std::abs(a[j]); });
    double budget = problem.eps;
    for (const size_t i : order) {
      const double room = !problem.clipped ? kInfinity : a[i] > 0 ? x[i] - lower[i] : upper[i] - x[i];
      const double spent = std::min(budget, room);
      if (a[i] != 0) x[i] += a[i] > 0 ? -spent : spent;
      budget -= a[i] != 0 ? spent : 0;
    }
  }
  for (size_t i = 0; i < size; ++i) total.add(a[i] * x[i]);
  total.add(constant);
  return x;
}

/// What the input's term becomes where it also pays lambda / 2 ||C dx||^2: by Gauss and Radau's rule with the
/// node h = lambda * layer.factor, and the best mu by golden section. Adds what it is more than `apart`, the
/// term without.
void couple(const DualProblem& problem, const KnownLayer& layer, double lambda, double lambda0,
            const std::vector<double>& x, const std::vector<double>& a, Total& total) {
  const Network& network = *problem.network;
  const double ball = problem.eps * problem.eps, h = lambda * layer.factor;
  const auto square = [](const std::vector<double>& v) {
    double sum = 0;
    for (const double value : v) sum += value * value;
    return sum;
  };
  if (!problem.clipped && ball > 0) lambda0 = std::sqrt(square(a)) / problem.eps;
  std::vector<double> part(x.size());
  for (size_t i = 0; i < part.size(); ++i) part[i] = -lambda0 * (x[i] - problem.center[i]);
  const double m0 = square(part);
  if (!(m0 > 0) || !(ball > 0)) return total.add(-0.5 * h * ball);
  std::vector<double> there = part;
  const auto affine = [&](int node) -> const Affine& { return network.affines[network.nodes[node].affine]; };
  for (const int node : layer.path) {
    const std::vector<double> bias = biasOf(affine(node));
    there = reference::apply(affine(node), there.data());
    for (size_t i = 0; i < there.size(); ++i) there[i] -= bias[i];
  }
  const double m1 = lambda * square(there);
  for (size_t i = layer.path.size(); i-- > 0;)
    there = reference::applyAdjoint(affine(layer.path[i]), there.data());
  const double m2 = lambda * lambda * square(there);
  const double gap = h * m0 - m1, spread = h * gap - (h * m1 - m2);
  const double t = gap > 0 ? (h * m1 - m2) / gap : 0, w = spread > 0 ? std::min(gap * gap / spread, m0) : 0;
  const auto spent = [&](double mu) { return w / (mu - t) + (m0 - w) / (mu - h) + mu * ball; };
  double low = (1 + 1e-6) * h, high = h + 2 * std::sqrt(m0) / problem.eps;
  for (int step = 0; step < 100; ++step) {
    const double left = low + 0.382 * (high - low), right = low + 0.618 * (high - low);
    (spent(left) < spent(right) ? high : low) = spent(left) < spent(right) ? right : left;
  }
  total.add(0.5 * lambda0 * (ball + m0 / (lambda0 * lambda0)));
  total.add(-0.5 * spent(low));
}

}  // namespace

double Phi::objective(double z) const {
  const double passed = std::max(z, 0.0) - std::max(zhat, 0.0);
  return c * std::max(z, 0.0) - v * z + 0.5 * lambda * (z - zhat) * (z - zhat) -
         0.5 * payment * passed * passed;
}

double Phi::operands(double z) const {
  const double passed = std::max(z, 0.0) - std::max(zhat, 0.0);
  return (std::abs(c) + std::abs(v)) * (std::abs(z) + std::abs(zhat)) +
         0.5 * lambda * (z - zhat) * (z - zhat) + 0.5 * payment * passed * passed;
}

double Phi::minimum(double* minimiser) const {
  double best = kInfinity;
  // `tilt`: the linear coefficient on this side of the kink.
  const auto side = [&](double low, double high, double tilt, double bend) {
    if (low > high) return;
    if (bend == 0 && std::isinf(tilt > 0 ? low : high) && tilt != 0) {
      best = -kInfinity;
      return;
    }
    const double free = bend > 0 ? zhat - tilt / bend : tilt > 0 ? low : tilt < 0 ? high : 0;
    const double z = std::clamp(free, low, high);
    if (objective(z) >= best) return;
    best = objective(z);
    if (minimiser) *minimiser = z;
  };
  // d/dz of payment / 2 (z - relu(zhat))^2 is payment (z - zhat) and, where zhat < 0, payment zhat more.
  side(std::max(lower, 0.0), upper, c - v - payment * std::min(zhat, 0.0), lambda - payment);
  side(lower, std::min(upper, 0.0), -v, lambda);
  return best;
}

DualValue evaluateDual(const DualProblem& problem, const DualPoint& point) {
  const Network& network = *problem.network;
  std::vector<std::vector<double>> gradient(problem.target + 1);
  gradient[problem.target] = problem.c;
  DualValue result{};
  result.c.resize(problem.layers.size());
  result.z.resize(problem.layers.size());
  result.payment.assign(problem.layers.size(), 0);
  Total total;
  int coupled = -1;  // the layer whose ball the input pays
  for (int id = problem.target, k = static_cast<int>(problem.layers.size()); id >= 0; --id) {
    const Node& node = network.nodes[id];
    if (gradient[id].empty()) continue;
    if (node.kind == NodeKind::affine) {
      const Affine& affine = network.affines[node.affine];
      const std::vector<double> bias = biasOf(affine);
      for (size_t i = 0; i < bias.size(); ++i) total.add(gradient[id][i] * bias[i]);
      accumulate(gradient[node.inputs[0]], reference::applyAdjoint(affine, gradient[id].data()));
    } else if (node.kind == NodeKind::add) {
      for (const int from : node.inputs) accumulate(gradient[from], gradient[id]);
    } else if (node.kind == NodeKind::relu) {
      const KnownLayer& layer = problem.layers[--k];
      const double lambda = point.lambda[k] + result.payment[k];
      std::vector<double> v(layer.zhat.size());
      result.c[k] = gradient[id];
      result.z[k] = layer.zhat;
      for (size_t i = 0; i < v.size(); ++i) {
        v[i] = point.slope[k][i] * gradient[id][i];
        Phi phi{gradient[id][i], v[i], lambda, layer.zhat[i]};
        if (!problem.boundless) {
          phi.lower = layer.lower[i];
          phi.upper = layer.upper[i];
        }
        phi.payment = result.payment[k];
        const double minimum = phi.minimum(&result.z[k][i]);
        total.add(minimum);
        result.operands += phi.operands(result.z[k][i]) - std::abs(minimum);
      }
      if (layer.source >= 0) {
        result.payment[layer.source] += layer.factor * lambda;
      } else if (!layer.path.empty()) {
        coupled = k;
      } else if (lambda > 0) {
        total.add(-0.5 * lambda * layer.rho * layer.rho);
      }
      accumulate(gradient[node.inputs[0]], v);
    } else {
      result.x = inputMinimum(problem, gradient[id], point.inputLambda, total);
      if (coupled < 0) continue;
      const double lambda = point.lambda[coupled] + result.payment[coupled];
      if (lambda > 0)
        couple(problem, problem.layers[coupled], lambda, point.inputLambda, result.x, gradient[id], total);
    }
  }
  result.bound = total.sum;
  result.magnitude = total.magnitude;
  result.operands += total.magnitude;
  return result;
}

DualGradient dualGradient(const DualProblem& problem, const DualPoint& point, const DualValue& at) {
  const Network& network = *problem.network;
  std::vector<std::vector<double>> signal(problem.target + 1);
  DualGradient gradient;
  std::vector<double> left;  // per layer: its room, less what dz takes, and what passes
  for (int id = 0, k = 0; id <= problem.target && k < static_cast<int>(problem.layers.size()); ++id) {
    const Node& node = network.nodes[id];
    if (node.kind == NodeKind::input) {
      signal[id] = at.x;
    } else if (node.kind == NodeKind::affine) {
      signal[id] = reference::apply(network.affines[node.affine], signal[node.inputs[0]].data());
    } else if (node.kind == NodeKind::add) {
      for (const int from : node.inputs) accumulate(signal[id], signal[from]);
    } else {
      if (problem.layers[k].relu != id) continue;
      const KnownLayer& layer = problem.layers[k];
      const std::vector<double>& arrived = signal[node.inputs[0]];
      std::vector<double>& slopes = gradient.slope.emplace_back(arrived.size());
      signal[id].resize(arrived.size());
      double square = 0, passed = 0;
      for (size_t i = 0; i < arrived.size(); ++i) {
        const double z = at.z[k][i], residual = arrived[i] - z;
        slopes[i] = at.c[k][i] * residual;
        signal[id][i] = std::max(z, 0.0) + point.slope[k][i] * residual;
        square += (z - layer.zhat[i]) * (z - layer.zhat[i]);
        const double change = std::max(z, 0.0) - std::max(layer.zhat[i], 0.0);
        passed += change * change;
      }
      const double room = layer.source < 0 ? layer.rho * layer.rho : layer.factor * left[layer.source];
      gradient.lambda.push_back(0.5 * (square - room));
      left.push_back(room - square + passed);
      ++k;
    }
  }
  return gradient;
}

namespace {

/// The ReLU that a layer reads through affine operators, and the square of their norms' product.
void chain(const Prepared& prepared, const std::vector<int>& relus, bool mayCouple, KnownLayer& layer) {
  const std::vector<Node>& nodes = prepared.network.nodes;
  int from = nodes[layer.relu].inputs[0];
  double factor = 1;
  std::vector<int> path;
  for (; nodes[from].kind == NodeKind::affine; from = nodes[from].inputs[0]) {
    path.insert(path.begin(), from);
    factor *= std::pow(prepared.norms().spectral[nodes[from].affine], 2);
  }
  if (from == 0 && mayCouple) {
    layer.path = path;
    layer.factor = factor;
  }
  for (size_t k = 0; k < relus.size(); ++k) {
    if (relus[k] != from) continue;
    layer.source = static_cast<int>(k);
    layer.factor = factor;
  }
}

}  // namespace

DualProblem problemOf(const Images& images, Backend& backend, const Region& region, int image, int target,
                      const std::vector<double>& c, const DualPreset& preset, const std::vector<int>& relus) {
  const Network& network = images.prepared().network;
  const size_t inputs = network.inputSize(), from = image * inputs;
  DualProblem problem{&network, target, c,  {}, preset.boundless, region.kind, region.clipped(),
                      0,        {},     {}, {}};
  // The engine's centre and ends, so that only its arithmetic differs.
  problem.center.assign(region.center.begin() + from, region.center.begin() + from + inputs);
  for (double& x : problem.center) x = static_cast<float>(x);
  if (!region.lower.empty()) {
    problem.lower.assign(region.lower.begin() + from, region.lower.begin() + from + inputs);
    problem.upper.assign(region.upper.begin() + from, region.upper.begin() + from + inputs);
  }
  if (!region.eps.empty()) problem.eps = region.eps[image];

  const std::vector<std::vector<double>> nominal = reference::forwardAll(network, problem.center.data());
  for (const int relu : relus) {
    const int pre = network.nodes[relu].inputs[0];
    KnownLayer layer{relu, nominal[pre], nominal[pre], nominal[pre], images.rho(pre, image)};
    const auto pays = [](const KnownLayer& each) { return !each.path.empty(); };
    const bool mayCouple = preset.coupled && region.kind == InputKind::l2 &&
                           std::none_of(problem.layers.begin(), problem.layers.end(), pays);
    if (preset.chained && std::isfinite(layer.rho)) chain(images.prepared(), relus, mayCouple, layer);
    std::vector<float> lower, upper;
    images.readBox(backend, pre, lower, upper);
    const size_t features = layer.zhat.size();
    for (size_t i = 0; i < features; ++i) {
      layer.lower[i] += lower[image * features + i];
      layer.upper[i] += upper[image * features + i];
    }
    problem.layers.push_back(std::move(layer));
  }
  return problem;
}

DualPoint pointOf(const Multipliers& multipliers) {
  DualPoint point;
  for (const std::vector<float>& slope : multipliers.slope)
    point.slope.emplace_back(slope.begin(), slope.end());
  point.lambda.assign(multipliers.lambda.begin(), multipliers.lambda.end());
  point.inputLambda = multipliers.inputLambda;
  return point;
}

}  // namespace bulwark::selftest
