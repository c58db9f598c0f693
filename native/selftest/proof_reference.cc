#include "selftest/proof_reference.h"

#include <algorithm>
#include <cmath>

#include "network/conv_walk.h"
#include "proof/chain.h"

namespace bulwark::selftest {
namespace {

using Wide = long double;

template <class Visit>
void entries(const Affine& affine, Visit&& visit) {
  if (const auto* linear = std::get_if<Linear>(&affine)) {
    for (int o = 0; o < linear->out; ++o) {
      for (int i = 0; i < linear->in; ++i)
        visit(o, i, linear->weight[static_cast<size_t>(o) * linear->in + i]);
    }
  } else if (const auto* conv = std::get_if<Conv>(&affine)) {
    forEachEntry(*conv, visit);
  } else if (const auto* scale = std::get_if<Scale>(&affine)) {
    for (size_t i = 0; i < scale->scale.size(); ++i)
      visit(static_cast<int>(i), static_cast<int>(i), scale->scale[i]);
  } else {
    const std::vector<int32_t>& source = std::get<Index>(affine).source;
    for (size_t o = 0; o < source.size(); ++o) {
      if (source[o] >= 0) visit(static_cast<int>(o), source[o], 1.0);
    }
  }
}

std::vector<double> biasOf(const Affine& affine) {
  if (const auto* linear = std::get_if<Linear>(&affine)) return linear->bias;
  if (const auto* conv = std::get_if<Conv>(&affine)) return conv->bias;
  if (const auto* scale = std::get_if<Scale>(&affine)) return scale->shift;
  return std::vector<double>(std::get<Index>(affine).source.size());
}

/// min over [lo, hi] of a z + lambda / 2 (z - zhat)^2.
Wide piece(Wide a, Wide lambda, Wide zhat, Wide lo, Wide hi) {
  Wide z = lambda > 0 ? zhat - a / lambda : (a > 0 ? lo : hi);
  z = std::clamp(z, lo, hi);
  return a * z + lambda / 2 * (z - zhat) * (z - zhat);
}

Wide minimum(const proof::InputSet& set, const std::vector<Wide>& g, Wide lambda) {
  Wide boxed = 0, linear = 0, square = 0, largest = 0;
  const bool ball = set.kind != InputKind::box;
  if (!ball) lambda = 0;
  for (size_t i = 0; i < g.size(); ++i) {
    boxed += piece(g[i], lambda, set.center[i], set.lower[i], set.upper[i]);
    linear += g[i] * set.center[i];
    square += g[i] * g[i];
    largest = std::max(largest, std::fabs(g[i]));
  }
  const Wide eps = set.eps;
  Wide best = boxed - lambda / 2 * eps * eps;
  if (set.kind == InputKind::l2) best = std::max(best, linear - eps * std::sqrt(square));
  if (set.kind == InputKind::l1) best = std::max(best, linear - eps * largest);
  if (set.kind == InputKind::l1 && set.clipped) {
    std::vector<Wide> candidates = g;
    candidates.push_back(0);
    for (const Wide mu : candidates) {
      Wide sum = -std::fabs(mu) * eps;
      for (size_t i = 0; i < g.size(); ++i) {
        const auto at = [&](Wide x) { return g[i] * x + std::fabs(mu) * std::fabs(x - set.center[i]); };
        Wide least = std::min(at(set.lower[i]), at(set.upper[i]));
        if (set.center[i] >= set.lower[i] && set.center[i] <= set.upper[i])
          least = std::min(least, at(set.center[i]));
        sum += least;
      }
      best = std::max(best, sum);
    }
  }
  return best;
}

Wide square(const std::vector<Wide>& v) {
  Wide sum = 0;
  for (const Wide value : v) sum += value * value;
  return sum;
}

/// The bound of proof/coupling.h with the best t and, by golden section, the best mu.
Wide coupledMinimum(const proof::ProofNetwork& network, const proof::InputSet& set,
                    const proof::InputChain& chain, const std::vector<Wide>& g, Wide lambda,
                    Wide inputLambda) {
  Wide linear = 0;
  std::vector<Wide> a = g;
  for (size_t i = 0; i < g.size(); ++i) {
    const Wide low = static_cast<Wide>(set.lower[i]) - set.center[i];
    const Wide high = static_cast<Wide>(set.upper[i]) - set.center[i];
    if (set.clipped) a[i] = -inputLambda * std::clamp(-g[i] / inputLambda, low, high);
    linear += g[i] * set.center[i] + std::min((g[i] - a[i]) * low, (g[i] - a[i]) * high);
  }
  const auto affine = [&](int node) -> const Affine& {
    return network.network().affines[network.network().nodes[node].affine];
  };
  std::vector<Wide> v = a;
  for (const int node : chain.path) {
    std::vector<Wide> next(network.size(node));
    entries(affine(node), [&](int o, int i, double weight) { next[o] += weight * v[i]; });
    v = next;
  }
  const Wide m0 = square(a), m1 = lambda * square(v);
  for (size_t k = chain.path.size(); k-- > 0;) {
    std::vector<Wide> next(network.size(network.network().nodes[chain.path[k]].inputs[0]));
    entries(affine(chain.path[k]), [&](int o, int i, double weight) { next[i] += v[o] * weight; });
    v = next;
  }
  const Wide m2 = lambda * lambda * square(v), ball = static_cast<Wide>(set.eps) * set.eps;
  const Wide h = lambda * chain.norm * chain.norm, gap = h * m0 - m1;
  const Wide t = gap > 0 ? std::clamp((h * m1 - m2) / gap, Wide{0}, (1 - 1e-9L) * h) : 0;
  const Wide tilt = m1 - t * m0, bend = std::max(m2 - 2 * t * m1 + t * t * m0, Wide{0});
  const auto spent = [&](Wide mu) {
    const Wide alpha = 1 / (mu - t);
    return alpha * m0 + alpha * alpha * (tilt + bend / (mu - h)) + mu * ball;
  };
  Wide low = (1 + 1e-7L) * h, high = low + 2 * std::sqrt(m0) / set.eps;
  for (int step = 0; step < 150; ++step) {
    const Wide left = low + 0.382L * (high - low), right = low + 0.618L * (high - low);
    (spent(left) < spent(right) ? high : low) = spent(left) < spent(right) ? right : left;
  }
  return linear - spent((low + high) / 2) / 2;
}

}  // namespace

long double dualValue(const proof::ProofNetwork& network, const proof::ImageFacts& facts,
                      const proof::Claim& claim, long double* paid) {
  const int target = network.targetNode(claim.target);
  std::vector<std::vector<Wide>> signal(network.nodeCount());
  signal[target].assign(network.size(target), 0);
  if (claim.row.empty()) {
    signal[target][claim.feature] = claim.sign;
  } else {
    std::copy(claim.row.begin(), claim.row.end(), signal[target].begin());
  }
  const auto give = [&](int node, const std::vector<Wide>& g) {
    signal[node].resize(g.size());
    for (size_t i = 0; i < g.size(); ++i) signal[node][i] += g[i];
  };
  Wide value = claim.constant;
  const std::vector<int> below = network.relusBelow(claim.target);
  std::vector<Wide> payments(network.nodeCount());  // by ReLU node
  proof::InputChain inputs;                         // to the ReLU whose ball the input pays
  int coupled = -1;
  Wide coupling = 0, rho = 0;
  for (size_t i = 0; i < below.size() && coupled < 0 && facts.input().kind == InputKind::l2; ++i) {
    const int pre = network.network().nodes[network.relus()[below[i]]].inputs[0];
    inputs = proof::inputChain(network, facts, pre);
    if (inputs.path.empty()) continue;
    coupled = below[i];
    rho = facts.at(pre).rho;
  }
  size_t layer = below.size();
  for (int id = target; id > 0; --id) {
    const std::vector<Wide>& g = signal[id];
    if (g.empty()) continue;
    const Node& node = network.network().nodes[id];
    const int from = node.inputs[0];
    if (node.kind == NodeKind::add) {
      give(from, g);
      give(node.inputs[1], g);
    } else if (node.kind == NodeKind::affine) {
      const Affine& affine = network.network().affines[node.affine];
      const std::vector<double> bias = biasOf(affine);
      for (size_t j = 0; j < g.size(); ++j) value += g[j] * bias[j];
      std::vector<Wide> x(network.size(from));
      entries(affine, [&](int o, int i, double weight) { x[i] += g[o] * weight; });
      give(from, x);
    } else {
      const int k = below[--layer];
      const proof::NodeFacts& known = facts.at(from);
      const Wide own = claim.multipliers->lambda[layer], payment = payments[id], lambda = own + payment;
      std::vector<Wide> v(g.size());
      for (size_t i = 0; i < g.size(); ++i) {
        const Wide c = g[i];
        v[i] = claim.multipliers->slope[layer][i] * c;
        Wide l = known.lower[i], u = known.upper[i], best = INFINITY;
        for (const proof::Split& split : claim.splits) {
          if (split.relu != k || split.feature != static_cast<int>(i)) continue;
          if (split.positive) l = std::max(l, Wide{0});
          if (!split.positive) u = std::min(u, Wide{0});
        }
        // payment / 2 (relu(z) - relu(zhat))^2, written out for each side of the kink.
        if (paid) *paid += payment / 2 * known.reach[i] * known.reach[i];
        const Wide zhat = known.zhat[i], n = std::min(zhat, Wide{0}), p = std::max(zhat, Wide{0});
        if (u >= 0) {
          const Wide tilt = c - v[i] - payment * n;
          best = piece(tilt, own, zhat, std::max(l, Wide{0}), u) + payment / 2 * n * n;
        }
        if (l <= 0)
          best = std::min(best, piece(-v[i], lambda, zhat, l, std::min(u, Wide{0})) - payment / 2 * p * p);
        value += best;
      }
      const proof::BallChain chain = proof::ballChain(network, facts, from);
      if (k == coupled) {
        coupling = lambda;
      } else if (chain.relu >= 0) {
        payments[chain.relu] += lambda * chain.square;
        value -= lambda / 2 * chain.rest;
      } else if (lambda > 0) {
        value -= lambda / 2 * static_cast<Wide>(known.rho) * known.rho;
      }
      give(from, v);
    }
  }
  const Wide inputLambda = claim.multipliers->inputLambda;
  Wide input = minimum(facts.input(), signal[0], inputLambda);
  if (coupling > 0) {
    input -= coupling / 2 * rho * rho;
    if (paid) {
      // Next to h, where mu keeps a distance of 1e-7 h, terms cancel: what that costs, and what rounding over
      // that distance does, are up to 1e-6 of this. Along a chain of much larger maps than their product the
      // prover's a-priori errors hide all that is gained.
      *paid += 3e3L * (coupling / 2 * rho * rho + facts.input().eps * std::sqrt(square(signal[0])));
      Wide factors = 1;
      for (const int node : inputs.path) factors *= network.frobenius(node);
      if (factors > 100 * inputs.norm) *paid = INFINITY;
    }
    if (!facts.input().clipped || inputLambda > 0) {
      const Wide together =
          coupledMinimum(network, facts.input(), inputs, signal[0], coupling * inputs.stretch, inputLambda);
      input = std::max(input, together - coupling / 2 * inputs.rest);
    }
  }
  return value + input;
}

namespace {

std::vector<std::vector<Wide>> exactValues(const Network& network, const std::vector<double>& x) {
  std::vector<std::vector<Wide>> values;
  for (const Node& node : network.nodes) {
    std::vector<Wide> y;
    if (node.kind == NodeKind::input) {
      y.assign(x.begin(), x.end());
    } else if (node.kind == NodeKind::affine) {
      const Affine& affine = network.affines[node.affine];
      const std::vector<double> bias = biasOf(affine);
      y.assign(bias.begin(), bias.end());
      const std::vector<Wide>& from = values[node.inputs[0]];
      entries(affine, [&](int o, int i, double weight) { y[o] += weight * from[i]; });
    } else {
      y = values[node.inputs[0]];
      for (size_t i = 0; i < y.size(); ++i) {
        if (node.kind == NodeKind::add) {
          y[i] += values[node.inputs[1]][i];
        } else {
          y[i] = std::max(y[i], Wide{0});
        }
      }
    }
    values.push_back(std::move(y));
  }
  return values;
}

}  // namespace

std::vector<long double> exactForward(const Network& network, const std::vector<double>& x) {
  return exactValues(network, x).back();
}

std::vector<long double> gradientAt(const Network& network, const std::vector<double>& row,
                                    const std::vector<double>& x) {
  const std::vector<std::vector<Wide>> values = exactValues(network, x);
  std::vector<std::vector<Wide>> gradient(values.size());
  for (size_t id = 0; id < values.size(); ++id) gradient[id].resize(values[id].size());
  std::copy(row.begin(), row.end(), gradient.back().begin());
  for (size_t id = values.size(); id-- > 1;) {
    const Node& node = network.nodes[id];
    const std::vector<Wide>& g = gradient[id];
    if (node.kind == NodeKind::affine) {
      std::vector<Wide>& to = gradient[node.inputs[0]];
      entries(network.affines[node.affine], [&](int o, int i, double weight) { to[i] += weight * g[o]; });
      continue;
    }
    for (const int input : node.inputs) {
      for (size_t i = 0; i < g.size(); ++i) {
        if (node.kind == NodeKind::add || values[input][i] > 0) gradient[input][i] += g[i];
      }
    }
  }
  return gradient[0];
}

std::vector<float> floatForward(Random& random, const Network& network, const std::vector<double>& x) {
  std::vector<std::vector<float>> values;
  const int style = pick(random, 0, 3);
  for (const Node& node : network.nodes) {
    std::vector<float> y;
    if (node.kind == NodeKind::input) {
      y.assign(x.begin(), x.end());
    } else if (node.kind == NodeKind::affine) {
      const Affine& affine = network.affines[node.affine];
      const std::vector<float>& from = values[node.inputs[0]];
      const std::vector<double> bias = biasOf(affine);
      std::vector<std::vector<std::pair<float, float>>> terms(bias.size());
      for (size_t o = 0; o < bias.size(); ++o) terms[o].push_back({static_cast<float>(bias[o]), 1.0f});
      entries(affine, [&](int o, int i, double weight) {
        terms[o].push_back({static_cast<float>(weight), from[i]});
      });
      for (auto& each : terms) {
        if (style > 0) std::shuffle(each.begin(), each.end(), random);
        float sum = 0;
        double wide = 0;
        for (const auto& [weight, value] : each) {
          if (style == 3) {
            wide += static_cast<double>(weight) * value;
          } else if (style == 2) {
            sum = std::fma(weight, value, sum);
          } else {
            volatile const float product = weight * value;
            sum += product;
          }
        }
        y.push_back(style == 3 ? static_cast<float>(wide) : sum);
      }
    } else {
      y = values[node.inputs[0]];
      for (size_t i = 0; i < y.size(); ++i) {
        if (node.kind == NodeKind::add) {
          y[i] += values[node.inputs[1]][i];
        } else {
          y[i] = std::max(y[i], 0.0f);
        }
      }
    }
    values.push_back(std::move(y));
  }
  return values.back();
}

double rowValue(const proof::Claim& claim, const std::vector<long double>& y) {
  Wide value = claim.constant;
  for (size_t i = 0; i < y.size(); ++i) value += claim.row[i] * y[i];
  return static_cast<double>(value);
}

std::vector<int> reluNodes(const Network& network) {
  std::vector<int> result;
  for (size_t id = 0; id < network.nodes.size(); ++id) {
    if (network.nodes[id].kind == NodeKind::relu) result.push_back(static_cast<int>(id));
  }
  return result;
}

std::vector<std::vector<double>> nodeValues(const Network& network, const std::vector<double>& x) {
  std::vector<std::vector<double>> result;
  for (size_t id = 0; id < network.nodes.size(); ++id) {
    Network part = network;
    part.nodes.resize(id + 1);
    const std::vector<long double> y = exactForward(part, x);
    result.emplace_back(y.begin(), y.end());
  }
  return result;
}

}  // namespace bulwark::selftest
