#include "proof/input_term.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "proof/rounding.h"

namespace bulwark::proof {
namespace {

/// Where spending the radius on the steepest coordinates first runs out of it: the best multiplier of a
/// clipped l1 ball. Only a proposal.
double proposeMultiplier(const InputSet& set, int lane, const double* g) {
  struct Move {
    double gain, room;
  };
  std::vector<Move> moves;
  for (size_t i = 0; i < set.center.size(); ++i) {
    const double slope = g[i * kLanes + lane];
    const double room = slope > 0 ? set.center[i] - set.lower[i] : set.upper[i] - set.center[i];
    moves.push_back({std::fabs(slope), std::max(room, 0.0)});
  }
  std::sort(moves.begin(), moves.end(), [](const Move& a, const Move& b) { return a.gain > b.gain; });
  double left = set.eps;
  for (const Move& move : moves) {
    left -= move.room;
    if (left <= 0) return move.gain;
  }
  return 0;
}

/// sum_i min over the box of g_i x + mu |x - center_i| - mu eps, for any mu >= 0: at an end or at the centre.
double clippedL1(const InputSet& set, int lane, const double* g, double mu, double slack) {
  double sum = 0, magnitude = 0;
  for (size_t i = 0; i < set.center.size(); ++i) {
    const double slope = g[i * kLanes + lane], center = set.center[i];
    const auto at = [&](double x) { return slope * x + mu * std::fabs(x - center); };
    double least = std::min(at(set.lower[i]), at(set.upper[i]));
    if (center >= set.lower[i] && center <= set.upper[i]) least = std::min(least, at(center));
    sum += least;
    magnitude += set.reach[i] * (std::fabs(slope) + mu);
  }
  const double rounding = slack + 4 * gamma(static_cast<double>(set.center.size()));  // not summed by chunks
  return below(sum - up(mu * set.eps + upSum(magnitude) * rounding));
}

struct SetValues {
  const double *center, *lower, *upper, *reach;
};

/// setOf(lane): the lane's set.
template <class SetOf>
void minimumOver(const KernelTable& kernels, const SetOf& setOf, bool own, const SetValues& values,
                 const double* g, const double* lambda, double slack, double* minimum) {
  const bool ball = setOf(0).kind != InputKind::box;
  alignas(64) double used[kLanes], inverse[kLanes];
  alignas(64) double boxed[kLanes], boxedMagnitude[kLanes], linear[kLanes], linearMagnitude[kLanes],
      squares[kLanes], largest[kLanes];
  for (int lane = 0; lane < kLanes; ++lane) {
    used[lane] = ball && lambda ? lambda[lane] : 0;
    inverse[lane] = 1 / used[lane];
  }
  const size_t size = setOf(0).center.size();
  kernels.input({static_cast<int>(size), own, g, used, inverse, values.center, values.lower, values.upper,
                 values.reach, boxed, boxedMagnitude, linear, linearMagnitude, squares, largest});
  for (int lane = 0; lane < kLanes; ++lane) {
    const InputSet& set = setOf(lane);
    // ||x - center||_2 <= eps in an l1 ball too.
    const double square = up(set.eps * set.eps);
    double best = below(boxed[lane] - up(0.5 * used[lane] * square + upSum(boxedMagnitude[lane]) * slack));
    if (ball) {
      const double count = static_cast<double>(size);
      const double norm = up(std::sqrt(squares[lane] * (1 + slack) * kUp + count * kTiny));
      const double reaching = set.kind == InputKind::l2 ? norm : largest[lane];
      const double whole =
          below(linear[lane] - up(reaching * set.eps + upSum(linearMagnitude[lane]) * slack));
      if (whole > best) best = whole;
    }
    if (set.kind == InputKind::l1 && set.clipped) {
      const double clipped = clippedL1(set, lane, g, proposeMultiplier(set, lane, g), slack);
      if (clipped > best) best = clipped;
    }
    minimum[lane] = best;
  }
}

}  // namespace

void inputMinimum(const KernelTable& kernels, const LaneImages& images, const double* g, const double* lambda,
                  double slack, double* minimum) {
  const auto values = [&](std::vector<double> InputSet::* member) {
    return images.values(
        [&](const ImageFacts& image) -> const std::vector<double>& { return image.input().*member; });
  };
  const LaneValues center = values(&InputSet::center), lower = values(&InputSet::lower),
                   upper = values(&InputSet::upper), reach = values(&InputSet::reach);
  const auto setOf = [&](int lane) -> const InputSet& { return images[lane].input(); };
  minimumOver(kernels, setOf, images.own(), {center.data, lower.data, upper.data, reach.data}, g, lambda,
              slack, minimum);
}

void inputMinimum(const KernelTable& kernels, const InputSet& set, const double* g, double slack,
                  double* minimum) {
  const auto setOf = [&](int) -> const InputSet& { return set; };
  minimumOver(kernels, setOf, false,
              {set.center.data(), set.lower.data(), set.upper.data(), set.reach.data()}, g, nullptr, slack,
              minimum);
}

}  // namespace bulwark::proof
