// The attack: points inside the region in float64, minima that are known, independence of batches and
// threads.
#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "attack/feasible.h"
#include "attack/pgd.h"
#include "kernels/thread_pool.h"
#include "network/reference.h"
#include "selftest/batch.h"
#include "selftest/harness.h"
#include "selftest/proof_problems.h"
#include "selftest/reference.h"

namespace bulwark::selftest {
namespace {

const StopCheck kNever = [] { return false; };

struct Shaped {
  InputKind kind;
  bool clipped;
  const char* name;
};
constexpr Shaped kShapes[] = {
    {InputKind::box, false, "box"},      {InputKind::l1, false, "l1"},
    {InputKind::l1, true, "clipped l1"}, {InputKind::l2, false, "l2"},
    {InputKind::l2, true, "clipped l2"}, {InputKind::box, true, "clipped l-infinity ball"}};

/// `count` regions around random centres in [0, 1]; boxes and clip ranges are [0, 1] or cut by it.
Region randomRegion(Random& random, Shaped shape, int count, int size) {
  Region region;
  region.kind = shape.kind;
  region.count = count;
  for (int image = 0; image < count; ++image) {
    const double eps = std::pow(10, uniform(random, -2, 0));
    if (shape.kind != InputKind::box || shape.clipped) region.eps.push_back(eps);
    for (int i = 0; i < size; ++i) {
      const double x = choose(random, 0, 3) == 0 ? 0 : uniform(random, 0, 1);
      region.center.push_back(x);
      if (shape.kind == InputKind::box || shape.clipped) {
        // A ball's ends, rounded outward.
        region.lower.push_back(shape.kind == InputKind::box ? std::max(0.0, std::nextafter(x - eps, -1)) : 0);
        region.upper.push_back(shape.kind == InputKind::box ? std::min(1.0, std::nextafter(x + eps, 2)) : 1);
      }
    }
  }
  return region;
}

void testFeasible(Context& context) {
  for (const Shaped shape : kShapes) {
    for (int round = 0; round < 200; ++round) {
      const int size = choose(context.random, 1, 300);
      Region region = randomRegion(context.random, shape, 1, size);
      const int special = region.eps.empty() ? -1 : round % (shape.kind == InputKind::box ? 2 : 4);
      if (special == 0) region.eps[0] = 0;
      if (special == 1) region.eps[0] = 1e-15;
      std::vector<float> deviation(size);
      for (float& x : deviation) x = static_cast<float>(uniform(context.random, -1, 1));
      if (special == 2) {
        // On the sphere up to float32, as the kernels leave it.
        double norm = 0;
        for (const float x : deviation) norm += shape.kind == InputKind::l1 ? std::abs(x) : x * x;
        if (shape.kind == InputKind::l2) norm = std::sqrt(norm);
        for (float& x : deviation) x = static_cast<float>(x * region.eps[0] / norm);
      }
      std::vector<double> point(size);
      feasiblePoint(region, 0, size, deviation.data(), point.data());
      context.check(isInside(region, 0, point.data(), size), std::string(shape.name) + ": outside");
      if (special != 2 || shape.clipped) continue;
      for (int i = 0; i < size; ++i)
        context.error("moved", std::abs(point[i] - region.center[i] - deviation[i]) / region.eps[0], 1e-6);
    }
  }

  Region region = randomRegion(context.random, {InputKind::l2, true, ""}, 3, 4);
  region.center[2 * 4 + 1] = 1.5;
  bool thrown = false;
  try {
    requireCentersInside(region, 0, 3, 4);
  } catch (const std::invalid_argument& error) {
    thrown = std::string(error.what()).find("image 2, feature 1") != std::string::npos;
  }
  context.check(thrown, "a centre outside its clip range is named");
}

Node node(NodeKind kind, int size, std::vector<int> inputs, int affine = -1) {
  return {kind, "node", {size, 1, 1}, std::move(inputs), affine};
}

Linear randomLinear(Random& random, int in, int out, double low = -1) {
  Linear made{in, out, {}, {}};
  for (int i = 0; i < in * out; ++i) made.weight.push_back(uniform(random, low, 1));
  for (int i = 0; i < out; ++i) made.bias.push_back(uniform(random, -0.5, 0.5));
  return made;
}

/// in -> relu hidden -> relu hidden, added to the first -> out; `low`: smallest weight of all but the first
/// layer.
Network residual(Random& random, int in, int hidden, int out, double low = -1) {
  Network made;
  made.affines = {randomLinear(random, in, hidden), randomLinear(random, hidden, hidden, low),
                  randomLinear(random, hidden, out, low)};
  made.nodes = {node(NodeKind::input, in, {}),      node(NodeKind::affine, hidden, {0}, 0),
                node(NodeKind::relu, hidden, {1}),  node(NodeKind::affine, hidden, {2}, 1),
                node(NodeKind::relu, hidden, {3}),  node(NodeKind::add, hidden, {2, 4}),
                node(NodeKind::affine, out, {5}, 2)};
  return made;
}

Specification randomRows(Random& random, int count, int rowCount, int out, double low = -1) {
  Specification rows;
  rows.rowCount = rowCount;
  for (int i = 0; i < count * rowCount * out; ++i) rows.c.push_back(uniform(random, low, 1));
  for (int i = 0; i < count * rowCount; ++i) rows.d.push_back(uniform(random, 0, 1));
  return rows;
}

double valueAt(const Network& network, const Specification& rows, int image, int row, const double* x) {
  const std::vector<double> out = reference::forward(network, x);
  double value = rows.constant(image, row);
  for (size_t i = 0; i < out.size(); ++i)
    value += rows.row(image, row, static_cast<int>(out.size()))[i] * out[i];
  return value;
}

AttackResult attackAll(const Network& network, Backend& backend, const Region& region,
                       const Specification& rows, const AttackOptions& options,
                       const StopCheck& stop = kNever) {
  AttackResult result(region, rows);
  const Plans plans(network, backend);
  const int chunk = attackChunk(rows.rowCount, backend);
  for (int first = 0; first < region.count; first += chunk)
    attackImages(network, plans, backend, region, rows, first, std::min(chunk, region.count - first), options,
                 stop, result);
  return result;
}

/// What every result must satisfy, however good the attack was.
void checkResult(Context& context, const std::string& name, const Network& network, const Region& region,
                 const Specification& rows, const AttackResult& result) {
  const int size = network.inputSize();
  for (int image = 0; image < region.count; ++image) {
    const double* point = result.point.data() + static_cast<size_t>(image) * size;
    context.check(isInside(region, image, point, size), name + ": point outside");
    const double* values = result.value.data() + static_cast<size_t>(image) * rows.rowCount;
    const double* least = std::min_element(values, values + rows.rowCount);
    context.check(result.margin[image] == *least, name + ": margin is not the smallest value");
    context.check(result.row[image] == least - values, name + ": row is not that of the margin");
    context.error(name + ": value at the point",
                  std::abs(valueAt(network, rows, image, result.row[image], point) - *least), 1e-12);
    for (int row = 0; row < rows.rowCount; ++row)
      context.check(
          values[row] <= valueAt(network, rows, image, row, region.center.data() + image * size) + 1e-5,
          name + ": worse than the centre");
  }
}

void testInvariants(Context& context, Backend& backend) {
  for (const Shaped shape : kShapes)
    for (const bool stopping : {false, true}) {
      const Network network = residual(context.random, 30, 20, 5);
      Region region = randomRegion(context.random, shape, 7, 30);
      if (shape.kind != InputKind::box) region.eps[3] = 0;
      const Specification rows = randomRows(context.random, 7, 4, 5);
      AttackOptions options;
      options.seed = context.random();
      options.stopWhenFalsified = stopping;
      const AttackResult result = attackAll(network, backend, region, rows, options);
      if (stopping) {
        for (int image = 0; image < region.count; ++image)
          context.check(isInside(region, image, &result.point[image * 30], 30), "stopping: point outside");
      } else {
        checkResult(context, shape.name, network, region, rows, result);
      }
    }
}

/// The minimum of a^T dx over the region of image 0.
double linearMinimum(const Region& region, bool clipped, const std::vector<double>& a) {
  std::vector<double> lower, upper;
  for (size_t i = 0; i < region.lower.size(); ++i) {
    lower.push_back(region.lower[i] - region.center[i]);
    upper.push_back(region.upper[i] - region.center[i]);
  }
  double sum = 0, squares = 0, largest = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    if (region.kind == InputKind::box) sum += std::min(a[i] * lower[i], a[i] * upper[i]);
    squares += a[i] * a[i];
    largest = std::max(largest, std::abs(a[i]));
  }
  if (region.kind == InputKind::box) return sum;
  if (region.kind == InputKind::l2)
    return clipped ? clippedL2Minimum(a, lower, upper, region.eps[0]) : -region.eps[0] * std::sqrt(squares);
  return clipped ? clippedL1Minimum(a, lower, upper, region.eps[0]) : -region.eps[0] * largest;
}

void testLinear(Context& context, Backend& backend) {
  for (const Shaped shape : kShapes)
    for (int round = 0; round < 5; ++round) {
      Network network;
      network.affines = {randomLinear(context.random, 12, 1)};
      network.nodes = {node(NodeKind::input, 12, {}), node(NodeKind::affine, 1, {0}, 0)};
      const Region region = randomRegion(context.random, shape, 1, 12);
      const Specification rows{1, {1}, {0.25}, false};
      // Entries of nearly the largest size tell apart slowly in an l1 ball.
      const bool slow = region.kind == InputKind::l1;
      AttackOptions options;
      if (slow) options.steps = 200;
      const AttackResult result = attackAll(network, backend, region, rows, options);
      const double change = linearMinimum(region, shape.clipped, std::get<Linear>(network.affines[0]).weight);
      const double least = valueAt(network, rows, 0, 0, region.center.data()) + change;
      context.check(result.margin[0] >= least - 1e-9, std::string(shape.name) + ": below the minimum");
      context.error(shape.name, (result.margin[0] - least) / -change, slow ? 3e-3 : 1e-3);
    }
}

/// The smallest value on a grid over the square that holds the region of `image`; two inputs.
double gridMinimum(const Network& network, const Specification& rows, const Region& region, int image,
                   int row) {
  constexpr int kCells = 60;
  const double eps = region.eps.empty() ? 1 : region.eps[image];
  const double* center = region.center.data() + 2 * image;
  double least = std::numeric_limits<double>::infinity();
  for (int i = 0; i <= kCells; ++i)
    for (int k = 0; k <= kCells; ++k) {
      double point[] = {center[0] + eps * (2.0 * i / kCells - 1), center[1] + eps * (2.0 * k / kCells - 1)};
      if (isInside(region, image, point, 2))
        least = std::min(least, valueAt(network, rows, image, row, point));
    }
  return least;
}

/// Rows that are convex in the input have no other local minimum: the attack must be as good as any grid
/// point.
void testGrid(Context& context, Backend& backend) {
  for (const Shaped shape : kShapes) {
    const Network network = residual(context.random, 2, 6, 2, 0);
    const Region region = randomRegion(context.random, shape, 2, 2);
    const Specification rows = randomRows(context.random, 2, 2, 2, 0);
    AttackOptions options;
    options.steps = 100;
    const AttackResult result = attackAll(network, backend, region, rows, options);
    for (int image = 0; image < 2; ++image)
      for (int row = 0; row < 2; ++row) {
        const double center = valueAt(network, rows, image, row, region.center.data() + 2 * image);
        const double grid = gridMinimum(network, rows, region, image, row);
        const double above = result.value[image * 2 + row] - grid;
        context.error(shape.name, above / (center - grid + 1e-3), 0.05);
      }
  }
}

void testRepeatable(Context& context, Device& device) {
  const std::unique_ptr<Backend> backend = device.makeBackend();
  const Network network = residual(context.random, 40, 24, 6);
  const bool gpu = std::string(device.kind()) == "cuda";  // whose emulation is slow
  const int count = gpu ? 11 : 37;
  for (const bool stopping : {false, true})
    for (const Shaped shape : {kShapes[0], kShapes[2], kShapes[4]}) {
      const Region region = randomRegion(context.random, shape, count, 40);
      const Specification rows = randomRows(context.random, count, 5, 6);
      AttackOptions options;
      options.stopWhenFalsified = stopping;
      if (gpu) options.steps = options.restarts = 3;
      const AttackResult whole = attackAll(network, *backend, region, rows, options);
      const Plans plans(network, *backend);
      for (const int threads : gpu ? std::vector{2} : std::vector{1, 3})
        for (const int chunk : {1, 5}) {
          AttackResult result(region, rows);
          ThreadPool pool(threads);
          pool.parallelFor((count + chunk - 1) / chunk, [&](int index, int) {
            const auto own = device.makeBackend();
            attackImages(network, plans, *own, region, rows, index * chunk,
                         std::min(chunk, count - index * chunk), options, kNever, result);
          });
          context.check(result.value == whole.value && result.margin == whole.margin &&
                            result.row == whole.row && result.point == whole.point,
                        std::string(shape.name) + ": " + std::to_string(threads) + " threads, batches of " +
                            std::to_string(chunk) + " give another result");
        }
    }
}

void testStop(Context& context, Backend& backend) {
  const Network network = residual(context.random, 10, 8, 3);
  const Region region = randomRegion(context.random, kShapes[3], 4, 10);
  const Specification rows = randomRows(context.random, 4, 3, 3);
  for (const int polls : {0, 1, 5, 40, 80, 100}) {
    int seen = 0;
    const AttackResult result = attackAll(network, backend, region, rows, {}, [&] { return ++seen > polls; });
    context.check(seen <= polls + 20, "goes on after it was stopped");
    for (int image = 0; image < region.count; ++image) {
      const bool none = result.row[image] < 0;
      context.check(none == std::isinf(result.margin[image]), "a margin without a row");
      context.check(polls > 0 || none, "found something without time");
      const double* point = result.point.data() + image * 10;
      context.check(!none || std::equal(point, point + 10, region.center.begin() + image * 10),
                    "no row, but not the centre");
      context.check(isInside(region, image, point, 10), "stopped outside");
    }
  }
}

/// Each image has one row that is negative somewhere in its region by construction, and stops there.
void testFalsifies(Context& context, Backend& backend) {
  const int count = 5, size = 20;
  const Network network = residual(context.random, size, 16, 4);
  const Region region = randomRegion(context.random, kShapes[4], count, size);
  Specification rows = randomRows(context.random, count, 3, 4);
  const AttackResult free = attackAll(network, backend, region, rows, {});
  for (int image = 0; image < count; ++image)
    for (int row = 0; row < 3; ++row) {
      const double center = valueAt(network, rows, image, row, &region.center[image * size]);
      const double least = free.value[image * 3 + row];
      // Zero lies halfway between the centre's value and the least one of the first row, and below the
      // others.
      rows.d[image * 3 + row] -= row == 0 ? (center + least) / 2 : least - 1;
    }
  AttackOptions options;
  options.stopWhenFalsified = true;
  const AttackResult result = attackAll(network, backend, region, rows, options);
  for (int image = 0; image < count; ++image) {
    context.check(result.margin[image] < 0 && result.row[image] == 0, "a negative row was missed");
    const double* point = result.point.data() + image * size;
    context.check(isInside(region, image, point, size), "counterexample outside");
    context.error("value", std::abs(valueAt(network, rows, image, 0, point) - result.margin[image]), 1e-12);
  }
}

const Test feasible("attack: points inside in float64", testFeasible);
const Test invariants("attack: values, rows and points agree", testInvariants);
const Test linears("attack: minimum of a linear row", testLinear);
const Test grids("attack: convex rows against a grid", testGrid);
const Test repeats("attack: same result for all threads and batches", testRepeatable);
const Test stops("attack: stops when told", testStop);
const Test falsifies("attack: falsifies", testFalsifies);

}  // namespace
}  // namespace bulwark::selftest
