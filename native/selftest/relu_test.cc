// The ReLU layer of the dual: phi against search on a grid, slopes, the ascent step.
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "kernels/split_loss.h"
#include "selftest/batch.h"
#include "selftest/harness.h"
#include "selftest/reference.h"

namespace bulwark::selftest {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

/// A ReLU layer with boxes of every kind: unstable, stable, touching the kink, of one point.
struct Layer {
  Layer(Context& context, Backend& backend, int features, int blocks, SlopeRule slopeRule, bool noBox,
        bool pays = false)
      : zhat(backend, features, blocks),
        lower(backend, features, blocks),
        upper(backend, features, blocks),
        slope(backend, features, blocks),
        lambda(backend, blocks),
        payment(backend, blocks),
        passed2(backend, blocks),
        rule(slopeRule),
        boundless(noBox),
        paying(pays) {
    Random& random = context.random;
    zhat.set([&](int, int) { return choose(random, 0, 9) == 0 ? 0 : uniform(random, -1, 1); });
    lower.set([&](int row, int i) {
      const int kind = choose(random, 0, 9);
      if (kind == 0) return 0.0;
      if (kind == 1 && zhat.at(row, i) > 0) return -static_cast<double>(zhat.at(row, i));
      return -uniform(random, 0, kind == 2 ? 0.01 : 2);
    });
    upper.set([&](int row, int i) {
      const int kind = choose(random, 0, 9);
      if (kind == 0) return 0.0;
      if (kind == 1 && zhat.at(row, i) < 0) return -static_cast<double>(zhat.at(row, i));
      return uniform(random, 0, kind == 2 ? 0.01 : 2);
    });
    slope.set([&](int, int) {
      return rule == SlopeRule::box ? uniform(random, 0, 1) : uniform(random, -0.5, 1.5);
    });
    payment.set([&](int row) { return !pays || row % 5 == 0 ? 0 : std::exp(uniform(random, -5, 3)); });
    lambda.set([&](int row) { return !boundless && row % 3 == 0 ? 0 : std::exp(uniform(random, -5, 3)); });
  }
  ReluLayer layer() const {
    ReluLayer made{zhat.view(), lower.view(), upper.view(), slope.view(), lambda.device(), rule, boundless};
    if (paying) {
      made.payment = payment.device();
      made.passed2 = passed2.device();
    }
    return made;
  }
  double slopeAt(int row, int i, double c) const {
    return slopeOf(rule, lambda.host[row], zhat.at(row, i), lower.at(row, i), upper.at(row, i), c,
                   slope.at(row, i));
  }
  Neuron neuron(int row, int i, double c, double v) const {
    Neuron made{zhat.at(row, i),  lower.at(row, i), upper.at(row, i), c, v,
                lambda.host[row], payment.host[row]};
    if (boundless) {
      const double reach = (std::fabs(c) + std::fabs(v)) / made.lambda + std::fabs(made.zhat) + 1;
      made.lower = -reach;
      made.upper = reach;
    }
    return made;
  }

  Batch zhat, lower, upper, slope;
  RowValues lambda, payment, passed2;
  SlopeRule rule;
  bool boundless, paying;
};

double worse(double error, double worst) { return error <= worst ? worst : error; }  // keeps a NaN

void dualAgainstGrid(Context& context, Backend& backend, int features, int blocks, SlopeRule rule,
                     bool boundless, bool pays) {
  Layer setup(context, backend, features, blocks, rule, boundless, pays);
  Batch c(backend, features, blocks), v(backend, features, blocks), dz(backend, features, blocks);
  RowSums value(backend, blocks);
  RowValues distance2(backend, blocks);
  c.set([&](int, int) { return choose(context.random, 0, 9) == 0 ? 0 : uniform(context.random, -1, 1); });
  backend.reluDual(setup.layer(), c.view(), nullptr, v.view(), dz.view(), value.device(), distance2.device());
  v.get();
  dz.get();
  value.get();
  distance2.get();
  if (pays) setup.passed2.get();
  double slopeError = 0, pointError = 0, above = 0, below = 0, distanceError = 0, passedError = 0;
  for (int row = 0; row < c.rows(); ++row) {
    double want = 0, size = 1e-6, squares = 0, passed = 0;
    for (int i = 0; i < features; ++i) {
      const double gain = c.at(row, i), signal = v.at(row, i), point = dz.at(row, i);
      slopeError = worse(std::fabs(signal - setup.slopeAt(row, i, gain) * gain), slopeError);
      const Neuron neuron = setup.neuron(row, i, gain, signal);
      const double least = std::min(neuron.gridMinimum(400), 0.0);
      context.check(boundless || (point >= neuron.lower && point <= neuron.upper), "dz lies in its box");
      // The grid misses the minimum by at most lambda / 2 (step / 2)^2.
      const double step = (neuron.upper - neuron.lower) / 400,
                   slack = (neuron.lambda + neuron.payment) * step * step / 8;
      pointError = worse(std::max(neuron.objective(point) - least, least - slack - neuron.objective(point)),
                         pointError);
      want += neuron.objective(point);
      size += std::fabs(gain * point) + std::fabs(signal * point) + std::fabs(gain * neuron.zhat);
      size += neuron.payment * (point * point + neuron.zhat * neuron.zhat);
      squares += point * point;
      passed += std::pow(std::max(neuron.zhat + point, 0.0) - std::max(neuron.zhat, 0.0), 2);
    }
    above = worse((value.host[row] - want) / size, above);
    below = worse((want - value.host[row]) / size, below);
    distanceError = worse(std::fabs(distance2.host[row] - squares) / (squares + 1e-30), distanceError);
    if (pays)
      passedError = worse(std::fabs(setup.passed2.host[row] - passed) / (squares + 1e-30), passedError);
  }
  const std::string which = std::string(rule == SlopeRule::free ? "free" : "box") + (boundless ? " boundless"
                                                                                     : pays    ? " pays"
                                                                                               : "");
  context.error(which + " v = slope c", slopeError, 4e-7);
  context.error(which + " phi at dz is the minimum", pointError, 4e-6);
  context.error(which + " value above phi", above, 4e-7);
  context.error(which + " value below phi", below, 4e-7);
  context.error(which + " ||dz||^2", distanceError, 1e-6);
  context.error(which + " what passes", passedError, 1e-6);
}

const Test dualTest("reluDual", [](Context& context, Backend& backend) {
  for (const bool boundless : {false, true})
    for (const SlopeRule rule : {SlopeRule::box, SlopeRule::free})
      for (const int features : {1, 7, 33, 1000})
        for (const bool pays : {false, true}) {
          if (pays && (boundless || rule == SlopeRule::box)) continue;
          const int blocks = features < 100 ? choose(context.random, 1, 7) : 1;
          dualAgainstGrid(context, backend, features, blocks, rule, boundless, pays);
        }
  // Wide enough that devices which cut a layer into parts take longer ones.
  dualAgainstGrid(context, backend, 2100, 1, SlopeRule::free, false, true);
});

const Test theoremTest("reluDual, boundless, is Theorem 4.1's h", [](Context& context, Backend& backend) {
  const int features = 50;
  Layer setup(context, backend, features, 1, SlopeRule::free, true);
  Batch c(backend, features, 1), v(backend, features, 1), dz(backend, features, 1);
  RowSums value(backend, 1);
  RowValues distance2(backend, 1);
  c.set([&](int, int) { return uniform(context.random, -1, 1); });
  backend.reluDual(setup.layer(), c.view(), nullptr, v.view(), dz.view(), value.device(), distance2.device());
  v.get();
  value.get();
  double worst = 0;
  for (int row = 0; row < c.rows(); ++row) {
    // h(g, lambda) without its rho term, minus the objective at the nominal point.
    const double lambda = setup.lambda.host[row];
    double h = 0, nominal = 0, size = 0;
    for (int i = 0; i < features; ++i) {
      const double gain = c.at(row, i), g = v.at(row, i), zhat = setup.zhat.at(row, i);
      const double f = std::min({gain - g - lambda * zhat, g + lambda * zhat, 0.0});
      h += 0.5 * (lambda * zhat * zhat - f * f / lambda);
      size += lambda * zhat * zhat + f * f / lambda + std::fabs(gain * zhat);
      nominal += gain * std::max(zhat, 0.0) - g * zhat;
    }
    worst = worse(std::fabs(value.host[row] - (h - nominal)) / size, worst);
  }
  context.error("h", worst, 1e-6);
});

const Test freshTest("reluDual, fresh slopes are CROWN's", [](Context& context, Backend& backend) {
  const int features = 33, blocks = 3;
  for (const SlopeRule rule : {SlopeRule::box, SlopeRule::free}) {
    Layer setup(context, backend, features, blocks, rule, false);
    Batch c(backend, features, blocks), v(backend, features, blocks), dz(backend, features, blocks);
    RowSums value(backend, blocks);
    RowValues distance2(backend, blocks);
    c.set([&](int, int) { return uniform(context.random, -1, 1); });
    std::vector<uint8_t> fresh(c.rows());
    for (int row = 0; row < c.rows(); ++row)
      fresh[row] = row / backend.lanes() != 1 && choose(context.random, 0, 1);
    const std::vector<float> before = setup.slope.host;
    backend.reluDual(setup.layer(), c.view(), fresh.data(), v.view(), dz.view(), value.device(),
                     distance2.device());
    setup.slope.get();
    v.get();
    double worst = 0;
    for (int row = 0; row < c.rows(); ++row)
      for (int i = 0; i < features; ++i) {
        const size_t at = static_cast<size_t>(row) * features + i;
        const double zhat = setup.zhat.host[at], lower = setup.lower.host[at], upper = setup.upper.host[at];
        const double crown = crownSlope(zhat, lower, upper, c.host[at]);
        if (!fresh[row]) {
          context.check(setup.slope.host[at] == before[at], "slopes of other rows stay");
        } else {
          worst = worse(std::fabs(v.host[at] - crown * c.host[at]), worst);
          const double kept = rule == SlopeRule::free ? crown : crownSlope(zhat, lower, upper, 1);
          worst = worse(std::fabs(setup.slope.host[at] - kept), worst);
        }
      }
    context.error(rule == SlopeRule::free ? "free" : "box", worst, 1e-6);
  }
});

const Test poisonTest("reluDual, a NaN never yields a bound", [](Context& context, Backend& backend) {
  constexpr int poor = 4;  // it has a ball: a row without one reads the slopes of unstable neurons only
  const char* names[] = {"zhat", "lower", "upper", "slope", "lambda", "c"};
  for (const bool boundless : {false, true})
    for (int poisoned = 0; poisoned < 6; ++poisoned) {
      // Without a box, phi does not look at it.
      if (boundless && (poisoned == 1 || poisoned == 2)) continue;
      Layer setup(context, backend, 5, 1, SlopeRule::free, boundless, !boundless);
      Batch c(backend, 5, 1), v(backend, 5, 1), dz(backend, 5, 1);
      RowSums value(backend, 1);
      RowValues distance2(backend, 1);
      c.set([&](int, int) { return uniform(context.random, -1, 1); });
      Batch* const batches[] = {&setup.zhat, &setup.lower, &setup.upper, &setup.slope, nullptr, &c};
      if (Batch* batch = batches[poisoned]) {
        const std::vector<float> sound = batch->host;
        batch->set([&](int row, int i) { return row == poor && i == 2 ? kNaN : sound[row * 5 + i]; });
      } else {
        const std::vector<float> sound = setup.lambda.host;
        setup.lambda.set([&](int row) { return row == poor ? kNaN : sound[row]; });
      }
      backend.reluDual(setup.layer(), c.view(), nullptr, v.view(), dz.view(), value.device(),
                       distance2.device());
      value.get();
      context.check(std::isnan(value.host[poor]), std::string(names[poisoned]) + " NaN reaches its row");
      context.check(!std::isnan(value.host[poor - 1]) && !std::isnan(value.host[poor + 1]), "and no other");
    }
});

void ascendAgainstReference(Context& context, Backend& backend, int features, int blocks, SlopeRule rule) {
  Random& random = context.random;
  Layer setup(context, backend, features, blocks, rule, false);
  Batch y(backend, features, blocks), dz(backend, features, blocks), c(backend, features, blocks);
  Batch first(backend, features, blocks), second(backend, features, blocks);
  RowValues step(backend, blocks), correction(backend, blocks);
  y.set([&](int, int) { return uniform(random, -1, 1); });
  dz.set([&](int, int) { return uniform(random, -1, 1); });
  c.set([&](int, int) { return uniform(random, -1, 1); });
  first.set([&](int, int) { return uniform(random, -1, 1); });
  second.set([&](int, int) { return uniform(random, 0, 1); });
  step.set([&](int) { return uniform(random, 0, 0.3); });
  correction.set([&](int) { return uniform(random, 1, 20); });
  const std::vector<float> c0 = c.host, first0 = first.host, second0 = second.host, slope0 = setup.slope.host;
  const Adam adam{first.view(), second.view(), step.device(), correction.device(), 0.9f, 0.999f};
  backend.reluAscend(setup.layer(), y.view(), dz.view(), c.view(), adam);
  c.get();
  first.get();
  second.get();
  setup.slope.get();
  double signalError = 0, slopeError = 0, momentError = 0;
  for (int row = 0; row < c.rows(); ++row)
    for (int i = 0; i < features; ++i) {
      const size_t at = static_cast<size_t>(row) * features + i;
      const double zhat = setup.zhat.host[at], l = zhat + setup.lower.host[at],
                   u = zhat + setup.upper.host[at];
      const double point = dz.host[at], residual = static_cast<double>(y.host[at]) - point,
                   gradient = c0[at] * residual;
      const double used = slopeOf(rule, setup.lambda.host[row], zhat, setup.lower.host[at],
                                  setup.upper.host[at], c0[at], slope0[at]);
      const double signal = std::max(zhat + point, 0.0) - std::max(zhat, 0.0) + used * residual;
      double m = adam.beta1 * static_cast<double>(first0[at]) + (1.0 - adam.beta1) * gradient;
      double s = adam.beta2 * static_cast<double>(second0[at]) + (1.0 - adam.beta2) * gradient * gradient;
      double slope = slope0[at] + step.host[row] * m / (std::sqrt(s * correction.host[row]) + 1e-12);
      if (followsBox(rule, setup.lambda.host[row], zhat, setup.lower.host[at], setup.upper.host[at])) {
        slope = std::clamp(slope, 0.0, 1.0);
        if (!(c0[at] >= 0 && l < 0 && u > 0)) {
          slope = slope0[at];
          m = first0[at];
          s = second0[at];
        }
      }
      signalError = worse(std::fabs(c.host[at] - signal), signalError);
      slopeError = worse(std::fabs(setup.slope.host[at] - slope) / (1 + std::fabs(slope)), slopeError);
      momentError = worse(std::fabs(first.host[at] - m) + std::fabs(second.host[at] - s), momentError);
    }
  const std::string which = rule == SlopeRule::free ? "free" : "box";
  context.error(which + " outgoing signal", signalError, 1e-6);
  context.error(which + " slopes", slopeError, 2e-6);
  context.error(which + " moments", momentError, 1e-6);
}

const Test ascendTest("reluAscend", [](Context& context, Backend& backend) {
  for (const SlopeRule rule : {SlopeRule::box, SlopeRule::free})
    for (const int features : {1, 7, 33, 1000})
      ascendAgainstReference(context, backend, features, choose(context.random, 1, 3), rule);
  ascendAgainstReference(context, backend, 2100, 1, SlopeRule::free);
});

void lossesAgainstReference(Context& context, Backend& backend, int features, int blocks, SlopeRule rule) {
  Random& random = context.random;
  Layer setup(context, backend, features, blocks, rule, false);
  Batch c(backend, features, blocks), v(backend, features, blocks), dz(backend, features, blocks);
  Batch y(backend, features, blocks), out(backend, features, blocks);
  RowSums value(backend, blocks);
  RowValues distance2(backend, blocks);
  c.set([&](int, int) { return choose(random, 0, 9) == 0 ? 0 : uniform(random, -1, 1); });
  y.set([&](int, int) { return uniform(random, -2, 2); });
  backend.reluDual(setup.layer(), c.view(), nullptr, v.view(), dz.view(), value.device(), distance2.device());
  v.get();
  dz.get();
  backend.slopes(setup.layer(), c.view(), out.view());
  out.get();
  for (int row = 0; row < c.rows(); ++row)
    for (int i = 0; i < features; ++i) {
      const bool same = static_cast<float>(out.at(row, i) * c.at(row, i)) == static_cast<float>(v.at(row, i));
      context.check(same, "slopes times c are v");
    }
  backend.losses(setup.layer(), y.view(), dz.view(), c.view(), out.view());
  out.get();
  double worst = 0;
  for (int row = 0; row < c.rows(); ++row)
    for (int i = 0; i < features; ++i) {
      const double zhat = setup.zhat.at(row, i), lower = setup.lower.at(row, i);
      const double upper = setup.upper.at(row, i), arrives = y.at(row, i), gain = c.at(row, i);
      const float l = static_cast<float>(zhat) + static_cast<float>(lower);
      const float u = static_cast<float>(zhat) + static_cast<float>(upper);
      if (l >= 0 || u <= 0) {
        context.check(static_cast<float>(out.at(row, i)) == kNothingLost, "a settled neuron loses nothing");
        continue;
      }
      const double taken = std::clamp(arrives, lower, upper), point = dz.at(row, i);
      const auto term = [&](double at) {
        return gain * std::max(zhat + at, 0.0) - setup.slopeAt(row, i, gain) * gain * at;
      };
      const double share = taken == arrives ? kTriangleShare : kTriangleShareOutside;
      const double height = static_cast<double>(u) * -l / (static_cast<double>(u) - l);
      const double want = term(taken) - term(point) + share * std::fabs(gain) * height;
      worst = worse(std::fabs(out.at(row, i) - want), worst);
      if (setup.lambda.host[row] == 0)
        context.check(out.at(row, i) >= -1e-5, "without a ball, no point is below phi's minimum");
    }
  context.error(rule == SlopeRule::free ? "free" : "box", worst, 4e-6);
}

const Test lossesTest("what rows lose at neurons", [](Context& context, Backend& backend) {
  for (const SlopeRule rule : {SlopeRule::box, SlopeRule::free})
    for (const int features : {1, 7, 33, 1000})
      lossesAgainstReference(context, backend, features, choose(context.random, 1, 3), rule);
});

const Test pinTest("pin", [](Context& context, Backend& backend) {
  const int features = 33, blocks = 2;
  Layer setup(context, backend, features, blocks, SlopeRule::free, false);
  const std::vector<float> before = setup.lower.host;
  const int row = choose(context.random, 0, setup.lower.rows() - 1);
  const int feature = choose(context.random, 0, features - 1);
  backend.pin(setup.zhat.view(), feature, row, setup.lower.view());
  setup.lower.get();
  for (size_t at = 0; at < before.size(); ++at) {
    const bool pinned = at == static_cast<size_t>(row) * features + feature;
    const float want = pinned ? -setup.zhat.host[at] : before[at];
    context.check(setup.lower.host[at] == want, pinned ? "the box ends at the kink" : "others stay");
  }
});

}  // namespace
}  // namespace bulwark::selftest
