#include "selftest/proof_problems.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace bulwark::selftest {

std::vector<graph::Node> problemGraph(Random& random) {
  GraphBuilder builder({2, 5, 4});
  builder.nodes = randomGraph(random, pick(random, 2, 12));
  const int last = builder.last();
  int x = builder.reshape(last, {builder.size(last)});
  x = builder.relu(builder.linear(random, x, {7}));
  builder.linear(random, x, {4});
  return builder.nodes;
}

proof::Claim outputClaim(Random& random, const proof::ProofNetwork& network, int image,
                         const proof::Multipliers* multipliers) {
  proof::Claim claim;
  claim.image = image;
  claim.row = normals(random, network.size(network.nodeCount() - 1));
  claim.constant = normal(random);
  claim.multipliers = multipliers;
  return claim;
}

proof::Multipliers randomMultipliers(Random& random, const proof::ProofNetwork& network, int target,
                                     bool wild) {
  proof::Multipliers result;
  for (const int k : network.relusBelow(target)) {
    std::vector<float>& slope = result.slope.emplace_back();
    for (int i = 0; i < network.size(network.relus()[k]); ++i) {
      double value = 0.5 + normal(random);
      if (wild && pick(random, 0, 3) == 0) value *= std::exp(20 * normal(random));
      slope.push_back(static_cast<float>(value));
    }
    const double size = pick(random, 0, 2) == 0 ? 0 : std::exp((wild ? 25 : 2) * normal(random));
    result.lambda.push_back(static_cast<float>(size));
  }
  result.inputLambda = pick(random, 0, 1) ? 0 : static_cast<float>(std::exp(2 * normal(random)));
  return result;
}

proof::Multipliers plainMultipliers(const proof::ProofNetwork& network, const proof::ImageFacts& facts,
                                    int target, float lambda) {
  proof::Multipliers result;
  for (const int k : network.relusBelow(target)) {
    const proof::NodeFacts& pre = facts.at(network.network().nodes[network.relus()[k]].inputs[0]);
    std::vector<float>& slope = result.slope.emplace_back();
    for (size_t i = 0; i < pre.lower.size(); ++i) {
      const double l = pre.lower[i], u = pre.upper[i];
      slope.push_back(static_cast<float>(l >= 0 ? 1 : u <= 0 ? 0 : u / (u - l)));
    }
    result.lambda.push_back(lambda);
  }
  result.inputLambda = lambda;
  return result;
}

Region randomRegion(Random& random, int size, int count, double eps) {
  Region region;
  region.kind = std::array{InputKind::box, InputKind::l1, InputKind::l2}[pick(random, 0, 2)];
  region.count = count;
  region.center = normals(random, size * count);
  if (region.kind != InputKind::box) region.eps.assign(count, eps);
  if (region.kind == InputKind::box || pick(random, 0, 1)) {
    for (const double center : region.center) {
      region.lower.push_back(center - eps * std::fabs(normal(random)));
      region.upper.push_back(center + eps * std::fabs(normal(random)));
    }
  }
  return region;
}

std::vector<double> samplePoint(Random& random, const Region& region, int image) {
  const size_t size = region.center.size() / region.count;
  const double* center = region.center.data() + image * size;
  std::vector<double> dx = normals(random, static_cast<int>(size));
  if (region.kind == InputKind::l1 && pick(random, 0, 1)) {
    const int only = pick(random, 0, static_cast<int>(size) - 1);
    for (size_t i = 0; i < size; ++i) dx[i] *= static_cast<int>(i) == only;
  }
  double norm = 0;
  for (const double d : dx) norm += region.kind == InputKind::l1 ? std::fabs(d) : d * d;
  if (region.kind == InputKind::l2) norm = std::sqrt(norm);
  std::vector<double> x(size);
  for (size_t i = 0; i < size; ++i) {
    const double reach = region.kind == InputKind::box ? 1e9 * dx[i] : region.eps[image] * (1 - 1e-12) / norm;
    x[i] = center[i] + (region.kind == InputKind::box ? reach : reach * dx[i]);
    if (region.lower.empty()) continue;
    x[i] = std::clamp(x[i], region.lower[image * size + i], region.upper[image * size + i]);
  }
  return x;
}

bool isInside(const Region& region, int image, const double* point, int size) {
  double forwards = 0, backwards = 0;
  for (int i = 0; i < size; ++i) {
    const size_t at = static_cast<size_t>(image) * size + i;
    if (!region.lower.empty() && !(point[i] >= region.lower[at] && point[i] <= region.upper[at]))
      return false;
    const size_t mirrored = static_cast<size_t>(image) * size + size - 1 - i;
    if (region.kind == InputKind::box && !region.eps.empty() &&
        !(std::fabs(point[i] - region.center[at]) <= region.eps[image]))
      return false;
    const double a = point[i] - region.center[at], b = point[size - 1 - i] - region.center[mirrored];
    forwards += region.kind == InputKind::l1 ? std::fabs(a) : a * a;
    backwards += region.kind == InputKind::l1 ? std::fabs(b) : b * b;
  }
  if (region.kind == InputKind::box) return true;
  const double most = std::max(forwards, backwards);
  return (region.kind == InputKind::l1 ? most : std::sqrt(most)) <= region.eps[image];
}

}  // namespace bulwark::selftest
