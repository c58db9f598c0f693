// The engine's dual, float32 and in deviations, against the float64 reference in absolute coordinates.
#include <algorithm>
#include <cmath>
#include <string>

#include "network/reference.h"
#include "selftest/bounds_problems.h"
#include "selftest/dual_reference.h"
#include "selftest/harness.h"

namespace bulwark::selftest {
namespace {

/// Allowed difference, relative to what is summed on the way to D: a few roundings of float32.
constexpr double kTolerance = 5e-7;
constexpr double kLearningRate = 0.05;

/// Adam's factors for its first step: the slope moves by the learning rate along the gradient's sign.
void ascendOnce(ReadyRows& rows) { rows.ascend(kLearningRate / (1 - 0.9), 1 / (1 - 0.999)); }

struct Case {
  std::string name;
  const Network& network;
  const Region& region;
  DualPreset preset;
};

template <class Check>
void eachCase(Random& random, Check check) {
  for (const auto& [networkName, network] : boundsNetworks(random)) {
    for (const auto& [regionName, region] : boundsRegions(random, 3, network.inputSize())) {
      for (const auto& [presetName, method] : kPresets) {
        check(Case{networkName + ", " + regionName + ", " + presetName, network, region, presetOf(method)});
      }
    }
  }
}

const Test valueTest(
    "dual: the engine's value is the reference's",
    [](Context& context, Backend& backend) {
      Random& random = context.random;
      eachCase(random, [&](const Case& each) {
        const bool balls = each.region.kind != InputKind::box || each.preset.boundless;
        const ReadyImages ready(each.network, backend, each.region, balls);
        const int target = static_cast<int>(each.network.nodes.size()) - 1;
        ReadyRows rows(random, ready.images, backend, 2, each.preset);
        const std::vector<float> nominal = ready.images.nominal(backend, target);
        std::vector<double> value;
        for (int step = 0; step < 4; ++step) {
          rows.evaluate(value);
          for (const int row : {0, 1, rows.batch.rows() - 1}) {
            const int image = rows.image[row];
            const DualProblem problem = problemOf(ready.images, backend, each.region, image, target,
                                                  rows.c[row], each.preset, rows.batch.relus());
            const DualValue wanted = evaluateDual(problem, pointOf(rows.batch.multipliers({row})[0]));
            double bound = value[row], scale = wanted.operands;
            for (size_t j = 0; j < rows.c[row].size(); ++j) {
              const double term = rows.c[row][j] * nominal[image * rows.c[row].size() + j];
              bound += term;
              scale += std::abs(term);
            }
            if (!(wanted.bound > -std::numeric_limits<double>::infinity())) {
              context.check(!(bound > -1e30),
                            each.name + ": says something where the reference says nothing");
              continue;
            }
            context.error(each.name + ", step " + std::to_string(step), std::abs(bound - wanted.bound),
                          kTolerance * scale);
          }
          ascendOnce(rows);
        }
      });
    },
    Products::ownAndCublas);

/// +1 or -1 where D rises or falls along this slope on both sides of the point; 0 at its top and where the
/// two sides differ too little to tell.
int uphill(const DualProblem& problem, DualPoint point, const DualValue& at, size_t layer, size_t i) {
  constexpr double kStep = 1e-4;
  double& slope = point.slope[layer][i];
  const double allowed = 1e-5 * at.magnitude * kStep, here = slope;
  slope = here + kStep;
  const double right = evaluateDual(problem, point).bound - at.bound;
  slope = here - kStep;
  const double left = at.bound - evaluateDual(problem, point).bound;
  if (right > allowed && left > allowed) return 1;
  return right < -allowed && left < -allowed ? -1 : 0;
}

// CROWN's chord puts the minimisers of a neuron at a tie, where any of them gives a supergradient; so what is
// asked of a step is the direction of the bound itself.
const Test stepTest("dual: one ascent step climbs", [](Context& context, Backend& backend) {
  Random& random = context.random;
  int moved = 0, lambdas = 0;
  eachCase(random, [&](const Case& each) {
    if (!each.preset.climbs) return;
    // With the input's payment the step is only nearly along the gradient (coupling_test.cc).
    DualPreset preset = each.preset;
    preset.coupled = false;
    const ReadyImages ready(each.network, backend, each.region, each.region.kind != InputKind::box);
    const int target = static_cast<int>(each.network.nodes.size()) - 1;
    ReadyRows rows(random, ready.images, backend, 1, preset);
    std::vector<double> value;
    rows.evaluate(value);
    const int row = choose(random, 0, rows.batch.rows() - 1);
    const DualProblem problem = problemOf(ready.images, backend, each.region, rows.image[row], target,
                                          rows.c[row], preset, rows.batch.relus());
    const Multipliers before = rows.batch.multipliers({row})[0];
    const DualPoint point = pointOf(before);
    const DualValue at = evaluateDual(problem, point);
    if (!std::isfinite(at.bound)) return;
    const DualGradient gradient = dualGradient(problem, point, at);
    ascendOnce(rows);
    rows.evaluate(value);
    const Multipliers after = rows.batch.multipliers({row})[0];
    const DualValue next = evaluateDual(problem, pointOf(after));

    for (size_t k = 0; k < problem.layers.size(); ++k) {
      const KnownLayer& layer = problem.layers[k];
      // Rows without a ball follow the box rule; a layer that changes sides shows slopes of two kinds.
      const bool boxed = before.lambda[k] == 0;
      const bool byBox = each.preset.rule == SlopeRule::box || boxed;
      const bool crosses = each.preset.rule == SlopeRule::free && boxed != (after.lambda[k] == 0);
      for (size_t i = 0; i < layer.zhat.size() && !crosses; ++i) {
        double wanted = before.slope[k][i];
        if (byBox) {
          const bool unstable = layer.lower[i] < 0 && layer.upper[i] > 0;
          // Only the neuron's free slope is kept; it shows where c >= 0 before and after.
          if (!unstable || at.c[k][i] < 0 || next.c[k][i] < 0) continue;
        }
        const int direction = uphill(problem, point, at, k, i);
        if (direction == 0) continue;
        wanted += kLearningRate * direction;
        if (byBox) wanted = std::clamp(wanted, 0.0, 1.0);
        context.error(each.name + ": slope", std::abs(after.slope[k][i] - wanted), 1e-5);
        ++moved;
      }
      if (before.lambda[k] > 0 && std::isfinite(layer.rho) && layer.rho > 0) {
        // The fixed-point step has the gradient's sign: that of ||z - zhat|| - rho.
        const double excess = 2 * gradient.lambda[k] / (layer.rho * layer.rho);
        // Room that is next to none is taken to be a little, which can turn the sign only close to it.
        if (layer.source >= 0 && std::abs(excess) < 1e-2) continue;
        if (std::abs(excess) < 1e-3) continue;
        context.check((after.lambda[k] > before.lambda[k]) == (excess > 0), each.name + ": lambda");
        ++lambdas;
      }
    }
  });
  context.check(moved > 100 && lambdas > 3, "enough slopes and multipliers were looked at: " +
                                                std::to_string(moved) + ", " + std::to_string(lambdas));
});

const Test startTest("dual: a row starts from given multipliers", [](Context& context, Backend& backend) {
  Random& random = context.random;
  eachCase(random, [&](const Case& each) {
    if (each.preset.rule != SlopeRule::free) return;
    const ReadyImages ready(each.network, backend, each.region, each.region.kind != InputKind::box);
    ReadyRows first(random, ready.images, backend, 1, each.preset);
    std::vector<double> value, again;
    for (int step = 0; step < 3; ++step) {
      first.evaluate(value);
      if (step < 2) ascendOnce(first);
    }
    const Multipliers reached = first.batch.multipliers({1})[0];
    // A clipped ball's multiplier goes on climbing from where it is, so there the value may only grow.
    ReadyRows second(random, ready.images, backend, 1, each.preset);
    std::vector<float> packed(second.batch.rows() * first.c[1].size());
    std::copy(first.c[1].begin(), first.c[1].end(), packed.begin() + first.c[1].size());
    backend.pack(packed.data(), second.batch.rows(), second.batch.staging());
    std::vector<int32_t> from(second.batch.rows(), -1);
    from[1] = 1;
    second.batch.load(from, second.image);
    second.batch.start(1, reached);
    second.evaluate(again);
    const double scale = 1e-5 * (1 + std::abs(value[1]));
    context.check(again[1] >= value[1] - scale, each.name + ": the value is not lost");
    if (reached.inputLambda == 0)
      context.check(again[1] == value[1], each.name + ": the same multipliers give the same bits");
  });
});

const Test stillTest("dual: a row held still repeats itself", [](Context& context, Backend& backend) {
  Random& random = context.random;
  int moved = 0;
  eachCase(random, [&](const Case& each) {
    if (!each.preset.climbs || choose(random, 0, 2) > 0) return;
    const ReadyImages ready(each.network, backend, each.region, each.region.kind != InputKind::box);
    ReadyRows rows(random, ready.images, backend, 1, each.preset);
    RowValues still(backend, 1);
    std::vector<double> value, again;
    rows.evaluate(value);
    ascendOnce(rows);
    rows.evaluate(value);
    const std::vector<Multipliers> before = rows.batch.multipliers({0, 1});
    still.set([](int row) { return row == 0 ? 1 : 0; });
    rows.batch.holdStill(still.device());
    std::vector<float> step(rows.batch.rows(), 0.5f), correction(rows.batch.rows(), 1000.0f);
    step[0] = correction[0] = 0;
    for (int i = 0; i < 2; ++i) {
      backend.write(step.data(), rows.batch.step());
      backend.write(correction.data(), rows.batch.correction());
      rows.batch.ascend();
      rows.evaluate(again);
    }
    const std::vector<Multipliers> after = rows.batch.multipliers({0, 1});
    // It says nothing, and its gradient's square is more than float32 can hold.
    if (!(value[0] > -1e30)) return;
    context.check(again[0] == value[0], each.name + ": the same value");
    context.check(after[0].slope == before[0].slope && after[0].lambda == before[0].lambda &&
                      after[0].inputLambda == before[0].inputLambda,
                  each.name + ": the same multipliers");
    if (std::isfinite(value[1])) moved += again[1] != value[1];
  });
  context.check(moved > 3, "other rows move on");
});

// phi over a box is at least phi over all of R, with the ball's multiplier 0 it is CROWN's, and no ball is
// paid for less by its radius than by what passes: so at the multipliers of any of these, joint says at least
// as much, and the ascent keeps the best.
const Test orderTest("dual: joint is above what it extends, at the same multipliers", [](Context& context,
                                                                                         const char* set) {
  const std::unique_ptr<Backend> own = makeCpuBackend(set);
  Backend& backend = *own;
  Random& random = context.random;
  const DualPreset radii{.rule = SlopeRule::free, .ball = true, .climbs = true};
  int strictly = 0;
  for (const DualPreset& preset :
       {presetOf(Method::crown), presetOf(Method::alphaCrown), presetOf(Method::sdpCrown), radii}) {
    for (const auto& [networkName, network] : boundsNetworks(random)) {
      for (const auto& [regionName, region] : boundsRegions(random, 3, network.inputSize())) {
        // An evaluation moves the clipped ball's multiplier on, so there the values have different ones.
        if (region.clipped() && region.kind == InputKind::l2) continue;
        const ReadyImages ready(network, backend, region, true);
        const int outputs = network.outputSize();
        ReadyRows from(random, ready.images, backend, 1, preset);
        ReadyRows joint(random, ready.images, backend, 1, presetOf(Method::joint));
        std::vector<double> below, above;
        for (int step = 0; step < 3; ++step) {
          from.evaluate(below);
          if (step < 2) ascendOnce(from);
        }
        std::vector<float> packed;
        std::vector<int32_t> each;
        for (int row = 0; row < from.batch.rows(); ++row) {
          packed.insert(packed.end(), from.c[row].begin(), from.c[row].end());
          each.push_back(row);
        }
        context.check(static_cast<int>(packed.size()) == from.batch.rows() * outputs, "coefficients");
        backend.pack(packed.data(), from.batch.rows(), joint.batch.staging());
        joint.batch.load(each, from.image);
        for (int row = 0; row < from.batch.rows(); ++row)
          joint.batch.start(row, from.batch.multipliers({row})[0]);
        joint.evaluate(above);
        for (int row = 0; row < from.batch.rows(); ++row) {
          if (std::isnan(below[row])) continue;  // it says nothing
          const double scale = 1 + std::abs(below[row]);
          context.check(above[row] >= below[row] - 1e-5 * scale, networkName + ", " + regionName + ": " +
                                                                     std::to_string(above[row]) + " < " +
                                                                     std::to_string(below[row]));
          strictly += above[row] > below[row] + 1e-3 * scale;
        }
      }
    }
  }
  context.check(strictly > 10, "often it says more");
});

/// Soundness of the reference and the engine at once: no point of the region undercuts.
const Test soundTest("dual: sampled points stay above the bound", [](Context& context) {
  const std::unique_ptr<Backend> backend = makeCpuBackend();
  Random& random = context.random;
  eachCase(random, [&](const Case& each) {
    const bool balls = each.region.kind != InputKind::box || each.preset.boundless;
    const ReadyImages ready(each.network, *backend, each.region, balls);
    const int target = static_cast<int>(each.network.nodes.size()) - 1, inputs = each.network.inputSize();
    ReadyRows rows(random, ready.images, *backend, 1, each.preset);
    std::vector<double> value;
    for (int step = 0; step < 3; ++step) {
      rows.evaluate(value);
      if (step < 2) ascendOnce(rows);
    }
    const DualProblem problem =
        problemOf(ready.images, *backend, each.region, 0, target, rows.c[0], each.preset, rows.batch.relus());
    const std::vector<float> nominal = ready.images.nominal(*backend, target);
    double bound = value[0];
    for (size_t j = 0; j < rows.c[0].size(); ++j) bound += rows.c[0][j] * nominal[j];
    for (int sample = 0; sample < 200; ++sample) {
      std::vector<double> x(inputs);
      double norm = 0;
      for (double& d : x) {
        d = sample % 2 ? uniform(random, -1, 1) : choose(random, -1, 1);
        norm = problem.kind == InputKind::l1 ? norm + std::abs(d) : std::hypot(norm, d);
      }
      for (int i = 0; i < inputs; ++i) {
        const double center = problem.center[i];
        if (problem.kind == InputKind::box) {
          x[i] =
              center + (x[i] > 0 ? x[i] * (problem.upper[i] - center) : x[i] * (center - problem.lower[i]));
        } else {
          x[i] = center + (norm > 0 ? problem.eps * (1 - 1e-9) * x[i] / norm : 0);
          if (problem.clipped) x[i] = std::clamp(x[i], problem.lower[i], problem.upper[i]);
        }
      }
      const std::vector<double> y = reference::forward(each.network, x.data());
      double row = 0, size = 0;
      for (size_t j = 0; j < y.size(); ++j) {
        row += rows.c[0][j] * y[j];
        size += std::abs(rows.c[0][j] * y[j]);
      }
      // NaN says nothing, and nothing is what the callers make of it.
      context.check(!(bound > row + 1e-5 * (1 + size)), each.name + ": a point undercuts the bound");
    }
  });
});

}  // namespace
}  // namespace bulwark::selftest
