#include "selftest/search_problems.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "selftest/batch.h"
#include "selftest/proof_reference.h"
#include "verdict/proven.h"

namespace bulwark::selftest {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

BoundsOptions boundsOptions(const SearchOptions& options) {
  BoundsOptions bounds{.iterations = 40, .stopWhenProven = true, .headroom = options.headroom};
  bounds.boxes = options.boxSubproblems > 0 ? BoxSource::optimised : BoxSource::crown;
  bounds.multipliers = options.leaves;
  return bounds;
}

}  // namespace

std::vector<graph::Node> searchGraph(Random& random) {
  const int kind = choose(random, 0, 2);
  GraphBuilder b(kind == 0 ? std::vector<int>{choose(random, 2, 8)} : std::vector<int>{2, 4, 4});
  const auto same = [&](int input, int channels) {
    return b.conv(random, input, channels, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 1);
  };
  if (kind == 0) {
    b.relu(b.linear(random, 0, {choose(random, 4, 14)}));
  } else if (kind == 1) {
    b.relu(b.conv(random, b.relu(same(0, 2)), 3, {2, 2}, {2, 2}, {1, 1}, {0, 0, 0, 0}, 1));
  } else {
    const int stem = b.relu(same(0, 2));
    b.relu(b.sum(same(b.relu(same(stem, 2)), 2), stem));
  }
  const int flat = b.shape(b.last()).size() == 1 ? b.last() : b.reshape(b.last(), {b.size(b.last())});
  b.linear(random, b.relu(b.linear(random, flat, {8})), {3});
  return b.nodes;
}

double valueAt(const Network& network, const Specification& rows, int image, int row,
               const std::vector<double>& x) {
  const std::vector<long double> y = exactForward(network, x);
  const double* c = rows.row(image, row, network.outputSize());
  return static_cast<double>(
      std::inner_product(y.begin(), y.end(), c, static_cast<long double>(rows.constant(image, row))));
}

Specification rowsNear(Random& random, const Network& network, const Region& region, int rowCount,
                       const std::vector<double>& gaps, int samples) {
  Specification rows{rowCount, {}, {}, false};
  const int outputs = network.outputSize();
  for (int i = 0; i < region.count * rowCount * outputs; ++i) rows.c.push_back(normal(random));
  rows.d.assign(region.count * rowCount, 0);
  for (int image = 0; image < region.count; ++image) {
    std::vector<std::vector<double>> points(samples);
    for (auto& point : points) point = samplePoint(random, region, image);
    for (int row = 0; row < rowCount; ++row) {
      double least = kInfinity, most = -kInfinity;
      for (const auto& point : points) {
        const double value = valueAt(network, rows, image, row, point);
        least = std::min(least, value), most = std::max(most, value);
      }
      const double spread = most - least < 1e-3 ? 1 : most - least;
      for (int j = 0; j < outputs; ++j) rows.c[(image * rowCount + row) * outputs + j] /= spread;
      const double gap = gaps[choose(random, 0, static_cast<int>(gaps.size()) - 1)];
      rows.d[image * rowCount + row] = gap - least / spread;
    }
  }
  return rows;
}

Problem::Problem(const std::vector<graph::Node>& nodes, int threads)
    : proofNetwork(nodes),
      network(lower(nodes)),
      pool(threads),
      workers(pool),
      prepared(network, workers.main()) {}

CompleteResult Problem::search(const Region& region, const Specification& rows, const SearchOptions& options,
                               const StopCheck& stop) {
  return completeBounds(prepared, region, rows, boundsOptions(options), options, workers, stop, {});
}

CompleteResult Problem::proven(const Region& region, const Specification& rows, const SearchOptions& options,
                               const StopCheck& stop) {
  // Both store inputs and outputs alike (see the test of their parity).
  std::vector<int32_t> input(network.inputSize()), output(network.outputSize());
  std::iota(input.begin(), input.end(), 0);
  std::iota(output.begin(), output.end(), 0);
  const ProofModelSource model = [&](const StopCheck&) { return ProofModel{proofNetwork, input, output}; };
  const BoundsOptions bounds = boundsOptions(options);
  const ProofOptions real;
  return ProvenBounds{prepared, region, rows, bounds, real, model, workers, pool, stop, {}}.search(options);
}

}  // namespace bulwark::selftest
