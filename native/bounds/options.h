// How a bound is computed. A method is a preset of the one dual (see dual.h), not a code path.
#pragma once

#include <chrono>
#include <exception>
#include <functional>
#include <utility>

#include "bounds/problem.h"
#include "kernels/backend.h"
#include "network/symmetric_band.h"

namespace bulwark {

/// `weighted`: joint, and then weights per neuron on what it ended with (weighted/), once it is to be proven.
enum class Method { ibp, lip, crown, alphaCrown, sdpCrown, joint, weighted };
enum class BoxSource { cheap, crown, optimised };

class Images;
/// Narrows the cheap boxes of images, the first of which is image `first` of the region, to what somebody has
/// proven of them.
using BoxSupply = std::function<void(Images& images, int first)>;

struct BoundsOptions {
  Method method = Method::joint;
  BoxSource boxes = BoxSource::cheap;
  int iterations = 150;
  int boxIterations = 20;
  double learningRate = 0.1;
  double decay = 0.985;
  bool stopWhenProven = false;
  /// A row counts as proven above this part of its value at the centre: room for what a rigorous evaluation
  /// of the same multipliers takes off.
  double headroom = 0;
  double timeLimit = 0;       // seconds for the whole call; 0: none
  bool coefficients = false;  // also return affine lower bounds
  bool multipliers = false;   // also return what proves each bound (not for `lip`)
  BoxSupply boxSupply = {};   // instead of what `boxes` says, where there is one
};

/// Which multipliers of the dual are free.
struct DualPreset {
  SlopeRule rule = SlopeRule::box;
  bool ball = false;        // lambda free; otherwise 0
  bool chained = false;     // balls are paid by the layer before (chain.h)
  bool coupled = false;     // and that of the first layer by the input (coupling.h)
  bool boundless = false;   // phi over all of R, the box only chooses slopes
  bool climbs = false;      // multipliers are optimised over many evaluations
  bool zeroSlopes = false;  // start from v = 0 instead of CROWN's slopes: interval bounds of the last ReLUs
};

/// The multipliers that each method frees; `lip` needs none.
inline DualPreset presetOf(Method method) {
  switch (method) {
    case Method::ibp:
      return {.rule = SlopeRule::free, .zeroSlopes = true};
    case Method::sdpCrown:
      return {.ball = true, .boundless = true, .climbs = true};
    case Method::joint:
    case Method::weighted:
      return {.rule = SlopeRule::free, .ball = true, .chained = true, .coupled = true, .climbs = true};
    case Method::alphaCrown:
      return {.climbs = true};
    default:
      return {};
  }
}

/// Whether bounds need balls around the nominal run. Around a box, the ball of its half diagonal serves only
/// methods that have nothing else.
inline bool needsBalls(const Region& region, Method method) {
  return region.kind != InputKind::box || method == Method::sdpCrown || method == Method::lip;
}

/// Returns true when the work should stop (abort or time limit); polled between ascent steps.
using StopCheck = std::function<bool()>;
/// `stop`, or `seconds` from now where that is above 0.
inline StopCheck withTimeLimit(StopCheck stop, double seconds) {
  if (!(seconds > 0)) return stop;
  using Clock = std::chrono::steady_clock;
  return [stop = std::move(stop), start = Clock::now(), seconds] {
    return stop() || std::chrono::duration<double>(Clock::now() - start).count() > seconds;
  };
}
/// Thrown by `stopAt`, out of computations that have no result of what is done.
class Stopped final : public std::exception {};
inline Checkpoint stopAt(const StopCheck& stop) {
  return [&stop] {
    if (stop()) throw Stopped();
  };
}
/// Work units done, of a total.
using Progress = std::function<void(long done, long total)>;

}  // namespace bulwark
