#include "weighted/ascent.h"

#include <algorithm>
#include <cmath>

#include "weighted/dual.h"

namespace bulwark::weighted {
namespace {

/// Where kappa starts, as a part of ||c|| / rho, at which the ball would move c's minimiser to its border.
constexpr double kStart = 0.1;
/// Logarithms stay within what float32 holds.
constexpr double kMostLog = 60;

/// Adam's first moments decay by 0.9, second ones by 0.999 a step.
struct Moments {
  Lanes first, second;

  void step(const Lanes& gradient, double rate, int steps, Lanes& variable) {
    first.resize(gradient.size());
    second.resize(gradient.size());
    const double unbias1 = 1 / (1 - std::pow(0.9, steps)), unbias2 = 1 / (1 - std::pow(0.999, steps));
    for (size_t i = 0; i < gradient.size(); ++i) {
      first[i] += 0.1 * (gradient[i] - first[i]);
      second[i] += 0.001 * (gradient[i] * gradient[i] - second[i]);
      variable[i] += rate * first[i] * unbias1 / (std::sqrt(second[i] * unbias2) + 1e-12);
    }
  }
};

void clamp(Lanes& logarithms) {
  for (double& value : logarithms) value = std::clamp(value, -kMostLog, kMostLog);
}

void takeLane(const Lanes& from, size_t lane, Lanes& to) {
  for (size_t i = lane; i < from.size(); i += kLanes) to[i] = from[i];
}

std::vector<float> lane(const Lanes& from, size_t lane, bool exponential = false) {
  std::vector<float> out;
  for (size_t i = lane; i < from.size(); i += kLanes)
    out.push_back(static_cast<float>(exponential ? std::exp(from[i]) : from[i]));
  return out;
}

class Ascent {
 public:
  Ascent(const Plan& plan, std::span<const proof::Claim* const> claims,
         std::span<const proof::ImageFacts* const> images)
      : plan_(plan), claims_(claims), dual_(plan, images), now_(plan.layers().size()) {
    Lanes goal = lanesOf(plan.network().size(plan.network().nodeCount() - 1));
    for (size_t r = 0; r < kLanes; ++r) {
      const proof::Claim& claim = claimIn(r);
      for (size_t j = 0; j < claim.row.size(); ++j) goal[j * kLanes + r] = claim.row[j];
      constant_[r] = claim.constant;
      const auto& zhat = images[std::min(r, images.size() - 1)]->at(plan.network().nodeCount() - 1).zhat;
      for (size_t j = 0; j < claim.row.size(); ++j) constant_[r] += claim.row[j] * zhat[j];
      dual_.inputLambda()[r] = std::max<double>(claim.multipliers->inputLambda, 1e-6);
      best_[r] = -INFINITY;
    }
    dual_.setGoal(goal);
    for (size_t k = 0; k < now_.size(); ++k) {
      const PlannedLayer& layer = plan.layers()[k];
      now_[k].slope = lanesOf(layer.size);
      for (size_t r = 0; r < kLanes; ++r) {
        const std::vector<float>& slope = claimIn(r).multipliers->slope[k];
        for (size_t i = 0; i < slope.size(); ++i) now_[k].slope[i * kLanes + r] = slope[i];
      }
      now_[k].logKappa = lanesOf(layer.weighted ? layer.size : 1, -kMostLog);
      if (layer.weighted) now_[k].logShare = lanesOf(layer.size);
    }
    const std::vector<PerLane> norms = dual_.coefficientNorms(now_);
    for (size_t k = 0; k < now_.size(); ++k) {
      for (size_t i = 0; i < now_[k].logKappa.size(); ++i) {
        const size_t r = i % kLanes;
        const double least = kStart * norms[k][r] / dual_.radius(k)[r];
        now_[k].logKappa[i] = std::log(std::max<double>(claimIn(r).multipliers->lambda[k], least));
      }
      clamp(now_[k].logKappa);
    }
    keep_ = now_;
    keptLambda_ = dual_.inputLambda();
  }

  void run(const AscentOptions& options, const StopCheck& stop) {
    std::vector<Variables> gradient(now_.size());
    std::vector<Moments> slope(now_.size()), kappa(now_.size()), share(now_.size());
    double rate = options.learningRate;
    for (int step = 1;; ++step) {
      judge(dual_.evaluate(now_));
      bool done = true;
      for (size_t r = 0; r < kLanes; ++r) done &= best_[r] > options.headroom * std::fabs(constant_[r]);
      if (done || step > options.iterations || stop()) return;
      dual_.gradient(gradient);
      for (size_t k = 0; k < now_.size(); ++k) {
        slope[k].step(gradient[k].slope, rate, step, now_[k].slope);
        kappa[k].step(gradient[k].logKappa, rate, step, now_[k].logKappa);
        share[k].step(gradient[k].logShare, rate, step, now_[k].logShare);
        clamp(now_[k].logKappa);
        clamp(now_[k].logShare);
      }
      rate *= options.decay;
    }
  }

  Multipliers result(size_t r) const {
    Multipliers out;
    for (size_t k = 0; k < keep_.size(); ++k) {
      const bool weighted = plan_.layers()[k].weighted;
      out.slope.push_back(lane(keep_[k].slope, r));
      const std::vector<float> kappa = lane(keep_[k].logKappa, r, true);
      out.lambda.push_back(weighted ? 0 : kappa[0]);
      out.weights.emplace_back();
      if (weighted) out.weights.back() = {kappa, lane(keep_[k].logShare, r, true)};
    }
    out.inputLambda = static_cast<float>(keptLambda_[r]);
    return out;
  }

 private:
  const proof::Claim& claimIn(size_t r) const { return *claims_[std::min(r, claims_.size() - 1)]; }

  void judge(const PerLane& value) {
    for (size_t r = 0; r < kLanes; ++r) {
      if (!(value[r] + constant_[r] > best_[r])) continue;
      best_[r] = value[r] + constant_[r];
      keptLambda_[r] = dual_.inputLambda()[r];
      for (size_t k = 0; k < now_.size(); ++k) {
        takeLane(now_[k].slope, r, keep_[k].slope);
        takeLane(now_[k].logKappa, r, keep_[k].logKappa);
        takeLane(now_[k].logShare, r, keep_[k].logShare);
      }
    }
  }

  const Plan& plan_;
  const std::span<const proof::Claim* const> claims_;
  Dual dual_;
  std::vector<Variables> now_, keep_;
  Lanes keptLambda_;
  PerLane constant_, best_;
};

}  // namespace

std::vector<Multipliers> climb(const Plan& plan, std::span<const proof::Claim* const> claims,
                               std::span<const proof::ImageFacts* const> images, const AscentOptions& options,
                               const StopCheck& stop) {
  Ascent ascent(plan, claims, images);
  ascent.run(options, stop);
  std::vector<Multipliers> out;
  for (size_t r = 0; r < claims.size(); ++r) out.push_back(ascent.result(r));
  return out;
}

}  // namespace bulwark::weighted
