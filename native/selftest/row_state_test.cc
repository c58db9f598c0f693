// Numbers per row: what the multipliers of balls are made of, the input's payment, and how rows stand. Each
// against a float64 reference written anew, from the formulas in bounds/chain.h and in bounds/dual.h.
#include <algorithm>
#include <cmath>
#include <string>

#include "bounds/chain.h"
#include "kernels/ascent_rows.h"
#include "kernels/coupling.h"
#include "selftest/batch.h"
#include "selftest/harness.h"

namespace bulwark::selftest {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Layers that pay for each other at random, on the device and on the host.
struct Ladder {
  Ladder(Context& context, Backend& backend, int layers, int blocks, bool boundless = false)
      : lambda(backend, layers * blocks),
        payment(backend, layers * blocks),
        guess(backend, layers * blocks),
        radius(backend, layers * blocks),
        distance2(backend, layers * blocks),
        passed2(backend, layers * blocks),
        paid(backend, layers * blocks),
        allowed(backend, layers * blocks),
        value(backend, layers * blocks),
        links(backend, (2 * layers + backend.lanes() - 1) / backend.lanes()),
        rows(blocks * backend.lanes()) {
    Random& random = context.random;
    for (int k = 0; k < layers; ++k) {
      source.push_back(boundless || k == 0 ? BallSource::none : choose(random, BallSource::none, k - 1));
      factor.push_back(uniform(random, 0.2, 2));
    }
    links.set([&](int i) {
      return i % 2 ? factor[std::min(i / 2, layers - 1)] : source[std::min(i / 2, layers - 1)];
    });
    const auto some = [&](double low, double high) {
      return [&random, low, high](int) { return uniform(random, low, high); };
    };
    lambda.set([&](int) { return choose(random, 0, 3) == 0 ? 0 : uniform(random, 0, 2); });
    guess.set([&](int) { return choose(random, 0, 3) == 0 ? 0 : uniform(random, 0, 2); });
    radius.set([&](int) {
      const int which = choose(random, 0, 9);
      return which == 0 ? 0 : which == 1 ? kInfinity : uniform(random, 0.1, 2);
    });
    distance2.set(some(0, 4));
    passed2.set(some(0, 3));
    value.set(some(-5, 0));
    allowed.set(some(-1, 4));
    balls = {.layers = layers,
             .stride = static_cast<size_t>(rows),
             .lambda = {lambda.device().data, blocks},
             .payment = payment.device(),
             .guess = guess.device(),
             .radius = radius.device(),
             .distance2 = distance2.device(),
             .passed2 = passed2.device(),
             .paid = paid.device(),
             .allowed = allowed.device(),
             .value = value.device(),
             .links = links.device(),
             .coupled = boundless ? -1 : 0,
             .boundless = boundless};
  }
  RowValues lambda, payment, guess, radius, distance2, passed2;
  RowSums paid, allowed, value, links;
  int rows;
  std::vector<int> source;
  std::vector<double> factor;
  Balls balls;
};

double apart(double got, double wanted) {
  if (got == wanted) return 0;
  return std::abs(got - wanted) / (1 + std::abs(wanted));  // NaN fails every comparison
}

/// What layer k pays: through every chain of layers that ends in a ball.
double paidBy(const Ladder& ladder, int k, int row) {
  double sum = 0;
  for (int reader = k + 1; reader < ladder.balls.layers; ++reader) {
    if (ladder.source[reader] != k) continue;
    sum += ladder.factor[reader] *
           (ladder.lambda.host[reader * ladder.rows + row] + paidBy(ladder, reader, row));
  }
  return sum;
}

template <typename Each>
void eachLadder(Context& context, Backend& backend, Each each) {
  for (const int layers : {1, 2, 5, 20})
    each(Ladder(context, backend, layers, choose(context.random, 1, 3), choose(context.random, 0, 3) == 0));
}

const Test payTest("rows: balls are paid by their sources", [](Context& context, Backend& backend) {
  eachLadder(context, backend, [&](Ladder ladder) {
    RowSums input(backend, ladder.balls.lambda.blocks), value(backend, ladder.balls.lambda.blocks);
    input.set([&](int) { return uniform(context.random, -3, 0); });
    backend.payBalls(ladder.balls);
    backend.dualValue(ladder.balls, input.device(), value.device());
    ladder.paid.get();
    ladder.payment.get();
    value.get();
    for (int row = 0; row < ladder.rows; ++row) {
      double wanted = input.host[row];
      for (int k = 0; k < ladder.balls.layers; ++k) {
        const size_t at = k * ladder.rows + row;
        const double paid = paidBy(ladder, k, row), rho = ladder.radius.host[at];
        context.error("paid", apart(ladder.paid.host[at], paid), 1e-12);
        context.error("payment", apart(ladder.payment.host[at], paid), 1e-6);
        wanted += ladder.value.host[at];
        const double cost = ladder.lambda.host[at] + paid;
        const bool own = ladder.source[k] < 0 && k != ladder.balls.coupled;
        if (own && cost > 0) wanted -= 0.5 * cost * rho * rho;
      }
      context.error("value", apart(value.host[row], wanted), 1e-11);
    }
  });
});

const Test stepTest("rows: multipliers step to their fixed points", [](Context& context, Backend& backend) {
  eachLadder(context, backend, [&](Ladder ladder) {
    RowValues correction(backend, ladder.balls.lambda.blocks);
    correction.set([&](int) { return choose(context.random, 0, 3) == 0 ? 0 : 1.5; });
    const std::vector<float> before = ladder.lambda.host;
    const std::vector<double> given = ladder.allowed.host;
    backend.stepBalls(ladder.balls, correction.device());
    ladder.lambda.get();
    for (int row = 0; row < ladder.rows; ++row) {
      std::vector<double> allowed;
      for (int k = 0; k < ladder.balls.layers; ++k) {
        const size_t at = k * ladder.rows + row;
        const double lambda = before[at], rho = ladder.radius.host[at], moved = ladder.distance2.host[at];
        const bool coupled = k == ladder.balls.coupled;
        double room = rho * rho;
        if (coupled) room = std::max(given[at], 1e-3 * rho * rho);
        if (const int from = ladder.source[k]; from >= 0 && !coupled) {
          const size_t there = from * ladder.rows + row;
          room = std::max(
              ladder.factor[k] * (allowed[from] - ladder.distance2.host[there] + ladder.passed2.host[there]),
              1e-3 * rho * rho);
        }
        allowed.push_back(room);
        double wanted = lambda * std::sqrt(moved / room);
        if (!(rho > 0) || rho == kInfinity) wanted = 0;
        if (ladder.balls.boundless) {
          wanted = rho > 0 ? lambda * std::max(std::sqrt(moved) / rho, 0.5) : lambda;
        } else if (lambda == 0 && moved > (coupled ? rho * rho : room) && ladder.guess.host[at] > 0) {
          wanted = ladder.guess.host[at];
        }
        if (correction.host[row] == 0) wanted = lambda;
        context.error(correction.host[row] == 0 ? "a row that stays" : "a row that steps",
                      apart(ladder.lambda.host[at], wanted), correction.host[row] == 0 ? 0 : 1e-6);
      }
    }
  });
});

const Test startTest("rows: a fresh multiplier's stages", [](Context& context, Backend& backend) {
  eachLadder(context, backend, [&](Ladder ladder) {
    const int blocks = ladder.balls.lambda.blocks, layer = choose(context.random, 0, ladder.balls.layers - 1);
    const bool boundless = ladder.balls.boundless;
    RowValues scale(backend, blocks);
    RowSums atZero(backend, blocks);
    scale.set([&](int) { return uniform(context.random, 0, 3); });
    std::vector<uint8_t> fresh(ladder.rows);
    for (uint8_t& flag : fresh) flag = static_cast<uint8_t>(choose(context.random, 0, 1));
    std::vector<double> lambda(ladder.rows), zero(ladder.rows);
    const std::vector<float> before = ladder.lambda.host;
    std::vector<char> wanted(ladder.rows);
    for (const BallStart stage : {BallStart::zero, BallStart::guess, BallStart::follow, BallStart::decide}) {
      if (stage == BallStart::zero && boundless) continue;
      backend.startBall(ladder.balls, layer, stage, fresh.data(), scale.device(), atZero.device());
      ladder.lambda.get();
      for (int row = 0; row < ladder.rows; ++row) {
        const size_t at = layer * ladder.rows + row;
        const double rho = ladder.radius.host[at], moved = ladder.distance2.host[at];
        const double factor = std::sqrt(moved) / rho, now = ladder.value.host[at];
        const bool ball = rho > 0 && rho < kInfinity;
        if (stage == BallStart::zero) lambda[row] = 0;
        if (stage == BallStart::guess) {
          wanted[row] = ball && (boundless || moved > rho * rho);
          lambda[row] = wanted[row] ? scale.host[row] / (2 * rho) : boundless && rho == 0 ? 1e18 : 0;
          zero[row] = now;
        } else if (wanted[row] && stage != BallStart::zero) {
          const bool worse = now - 0.5 * lambda[row] * rho * rho < zero[row];
          if (boundless) {
            lambda[row] *= std::max(factor, 0.5);
          } else if (stage == BallStart::follow) {
            lambda[row] *= factor;
          } else if (worse) {
            lambda[row] = 0;
          }
        }
        context.error(fresh[row] ? "fresh" : "other rows",
                      apart(ladder.lambda.host[at], fresh[row] ? lambda[row] : before[at]),
                      fresh[row] ? 1e-6 : 0);
      }
      // What the evaluation after each stage might find.
      ladder.value.set([&](int) { return uniform(context.random, -5, 0); });
      ladder.distance2.set([&](int) { return uniform(context.random, 0, 4); });
    }
    for (size_t at = 0; at < before.size(); ++at)
      if (static_cast<int>(at) / ladder.rows != layer)
        context.check(ladder.lambda.host[at] == before[at], "other layers stay");
  });
});

const Test coupleTest("rows: the input's payment", [](Context& context, Backend& backend) {
  for (const bool clipped : {false, true}) {
    Ladder ladder(context, backend, 3, 2);
    ladder.paid.set([&](int) { return uniform(context.random, 0, 1); });
    const int blocks = ladder.balls.lambda.blocks;
    RowValues eps(backend, blocks), lambda0(backend, blocks), moved(backend, blocks),
        arrived(backend, blocks);
    RowValues returned(backend, blocks), keep(backend, blocks), deflect(backend, blocks);
    RowSums value(backend, blocks);
    eps.set([&](int) { return choose(context.random, 0, 5) == 0 ? 0 : uniform(context.random, 0.1, 1); });
    for (RowValues* each : {&lambda0, &moved, &arrived, &returned})
      each->set([&](int) { return uniform(context.random, 0, 1); });
    value.set([&](int) { return uniform(context.random, -2, 0); });
    const std::vector<double> apartValue = value.host, before = ladder.allowed.host;
    backend.coupleInput({.balls = ladder.balls,
                         .eps = eps.device(),
                         .lambda0 = clipped ? lambda0.device() : Rows{},
                         .moved = moved.device(),
                         .arrived = arrived.device(),
                         .returned = returned.device(),
                         .value = value.device(),
                         .keep = keep.device(),
                         .deflect = deflect.device()});
    value.get();
    ladder.allowed.get();
    keep.get();
    deflect.get();
    for (int row = 0; row < ladder.rows; ++row) {
      const double ball = std::pow(eps.host[row], 2);
      const double own = ball > 0 ? -apartValue[row] / ball : 0;
      // The formula itself is compared with exact minima in coupling_test.cc.
      const CoupledRow wanted = coupled({.value = apartValue[row],
                                         .eps = eps.host[row],
                                         .lambda0 = clipped ? lambda0.host[row] : own,
                                         .moved2 = std::pow(moved.host[row], 2),
                                         .arrived2 = std::pow(arrived.host[row], 2),
                                         .returned2 = std::pow(returned.host[row], 2),
                                         .lambda = ladder.lambda.host[row] + ladder.paid.host[row],
                                         .norm2 = ladder.factor[0]});
      context.error("value", apart(value.host[row], wanted.value), 1e-6);
      context.error("allowed", apart(ladder.allowed.host[row], wanted.allowed), 1e-5);
      context.error("keep", apart(keep.host[row], wanted.keep), 1e-5);
      context.error("deflect", apart(deflect.host[row], wanted.deflect), 1e-5);
    }
    for (size_t at = ladder.rows; at < before.size(); ++at)
      context.check(ladder.allowed.host[at] == before[at], "other layers stay");
  }
});

/// One row's ascent as a caller without a device would keep its books.
struct Books {
  double best = -kInfinity, bound = -kInfinity;
  int taken = 0;
  bool here = true, recalled = false, settled = false;
};

const Test judgeTest("rows: how rows stand, step by step", [](Context& context, Backend& backend) {
  Random& random = context.random;
  constexpr int kIterations = 6, kBlocks = 2;
  int settledEarly = 0, goneBack = 0;
  for (const bool keepsBest : {false, true}) {
    RowSums value(backend, kBlocks), constant(backend, kBlocks), goal(backend, kBlocks),
        best(backend, kBlocks);
    RowSums bound(backend, kBlocks);
    RowValues taken(backend, kBlocks), improved(backend, kBlocks), recalled(backend, kBlocks);
    RowValues settled(backend, kBlocks), step(backend, kBlocks), correction(backend, kBlocks);
    RowValues rates(backend, (2 * (kIterations + 1) + backend.lanes() - 1) / backend.lanes());
    constant.set([&](int) { return uniform(random, -1, 1); });
    goal.set([&](int) { return choose(random, 0, 1) ? kInfinity : 1.5; });
    best.set([](int) { return -kInfinity; });
    taken.set([&](int row) { return row % 5 == 4 ? -1 : 0; });
    recalled.set([](int) { return 0; });
    settled.set([](int) { return 0; });
    rates.set([](int i) { return i + 0.25; });
    const AscentRows rows{.value = value.device(),
                          .constant = constant.device(),
                          .goal = goal.device(),
                          .best = best.device(),
                          .bound = bound.device(),
                          .taken = taken.device(),
                          .improved = improved.device(),
                          .recalled = recalled.device(),
                          .settled = settled.device(),
                          .step = step.device(),
                          .correction = correction.device(),
                          .rates = rates.device(),
                          .rated = kIterations - 1,
                          .iterations = kIterations,
                          .keepsBest = keepsBest};
    std::vector<Books> books(value.host.size());
    for (size_t row = 0; row < books.size(); ++row) books[row].here = row % 5 != 4;
    for (int evaluation = 0; evaluation < kIterations + 3; ++evaluation) {
      value.set([&](int) { return choose(random, 0, 9) == 0 ? std::nan("") : uniform(random, -1, 2); });
      backend.judge(rows);
      for (auto* each : {&best, &bound}) each->get();
      for (auto* each : {&taken, &improved, &recalled, &settled, &step, &correction}) each->get();
      for (size_t row = 0; row < books.size(); ++row) {
        Books& book = books[row];
        const bool open = book.here && !book.settled;
        bool better = false, back = false, moves = false;
        if (open) {
          book.bound = constant.host[row] + value.host[row];
          better = book.bound > book.best;
          if (better) book.best = book.bound;
          const bool proven = book.best > goal.host[row], over = book.taken == kIterations;
          if (keepsBest && over && !proven && !better && !book.recalled) {
            back = true;
          } else if (proven || over) {
            book.settled = true;
            settledEarly += !over;
          } else {
            ++book.taken;
            moves = true;
          }
          goneBack += back;
          context.check(best.host[row] == book.best, "best");
          context.check(bound.host[row] == book.bound || std::isnan(book.bound), "bound");
        }
        book.recalled = back;
        context.check((improved.host[row] != 0) == better, "improved");
        context.check((recalled.host[row] != 0) == back, "recalled");
        context.check((settled.host[row] != 0) == book.settled, "settled");
        context.check(static_cast<int>(taken.host[row]) == (book.here ? book.taken : -1), "taken");
        const int rate = std::min(book.taken, kIterations - 1);
        const float first = moves ? rates.host[2 * rate] : 0.0f;
        const float second = moves ? rates.host[2 * rate + 1] : 0.0f;
        context.check(step.host[row] == first && correction.host[row] == second, "the next step");
      }
    }
  }
  context.check(settledEarly > 0 && goneBack > 0, "rows are settled early, and go back");
});

const Test selectTest("select", [](Context& context, Backend& backend) {
  for (const int features : {1, 7, 33, 1000}) {
    const int blocks = choose(context.random, 1, 5);
    Batch in(backend, features, blocks), out(backend, features, blocks);
    RowValues which(backend, blocks);
    const auto any = [&](int, int) { return uniform(context.random, -1, 1); };
    in.set(any);
    const std::vector<float> before = out.set(any);
    which.set([&](int row) { return row / backend.lanes() == 1 ? 0 : choose(context.random, 0, 1); });
    backend.select(which.device(), in.view(), out.view());
    out.get();
    for (int row = 0; row < out.rows(); ++row)
      for (int i = 0; i < features; ++i) {
        const size_t at = static_cast<size_t>(row) * features + i;
        context.check(out.host[at] == (which.host[row] != 0 ? in.host[at] : before[at]),
                      "rows taken, rows left");
      }
  }
});

}  // namespace
}  // namespace bulwark::selftest
