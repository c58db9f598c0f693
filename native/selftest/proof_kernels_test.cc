// The proof's loops: lanes that share an image and lanes of several give the same bits.
#include <algorithm>
#include <cmath>
#include <vector>

#include "proof/kernels.h"
#include "selftest/harness.h"
#include "selftest/network_graphs.h"

namespace bulwark::selftest {
namespace {

using proof::kLanes;

const Test shared("proof: minima do not depend on how facts are stored", [](Context& context) {
  Random& random = context.random;
  constexpr int features = 3 * proof::kChunk / 2;
  using Lanes = std::vector<double>;
  for (int i = 0; i < 200; ++i) {
    const proof::KernelTable& kernels = i % 2 ? proof::portable::table : proof::kernels();
    const auto made = [&](int count) {
      Lanes values(count);
      for (double& value : values) value = normal(random);
      return values;
    };
    const Lanes c = made(features * kLanes), zhat = made(features), middle = made(features);
    Lanes lower, upper, reach, lambda, payment, stiff, inverse, stiffInverse;
    for (int f = 0; f < features; ++f) {
      const double radius = std::exp(normal(random));
      lower.push_back(f % 7 == 0 ? 0 : middle[f] - radius);
      upper.push_back(f % 11 == 0 ? std::max(lower[f], 0.0) : std::max(lower[f], middle[f] + radius));
      reach.push_back(std::max(std::fabs(lower[f]), std::fabs(upper[f])) + std::fabs(zhat[f]));
    }
    for (int lane = 0; lane < kLanes; ++lane) {
      lambda.push_back(lane % 3 == 0 ? 0 : std::exp(normal(random)));
      payment.push_back(lane % 4 == 0 ? 0 : std::exp(3 * normal(random)));
      stiff.push_back(lambda[lane] + payment[lane]);
      inverse.push_back(1 / lambda[lane]);
      stiffInverse.push_back(1 / stiff[lane]);
    }
    std::vector<float> slopes(features);
    for (float& slope : slopes) slope = static_cast<float>(normal(random));
    const std::vector<const float*> slope(kLanes, slopes.data());
    struct Result {
      Lanes v, sum, magnitude;
      bool operator==(const Result&) const = default;
    };
    const auto run = [&](bool own, bool pays, bool weighted = false) {
      const auto balls = [&](const auto& lanes) {
        Lanes out;
        for (int f = 0; f < (weighted ? features : 1); ++f) out.insert(out.end(), lanes.begin(), lanes.end());
        return out;
      };
      const Lanes multiplier = balls(lambda), inverses = balls(inverse), paid = balls(payment),
                  firm = balls(stiff), firmInverse = balls(stiffInverse);
      const auto facts = [&](const Lanes& values) {
        Lanes lanes;
        for (const double value : values) lanes.insert(lanes.end(), own ? kLanes : 1, value);
        return lanes;
      };
      const Lanes l = facts(lower), u = facts(upper), z = facts(zhat), r = facts(reach);
      Result result{Lanes(c.size()), Lanes(kLanes), Lanes(kLanes)};
      kernels.relu({features, own, c.data(), result.v.data(), slope.data(), weighted, multiplier.data(),
                    inverses.data(), pays ? paid.data() : nullptr, firm.data(), firmInverse.data(), l.data(),
                    u.data(), z.data(), r.data(), nullptr, 0, result.sum.data(), result.magnitude.data()});
      return result;
    };
    context.check(run(false, false) == run(true, false), "a ReLU without payments");
    context.check(run(false, true) == run(true, true), "a ReLU that pays");
    for (const bool own : {false, true})
      context.check(run(own, true, true) == run(own, true), "weights that are all the same");
    std::fill(payment.begin(), payment.end(), 0.0);
    stiff = lambda, stiffInverse = inverse;
    context.check(run(false, true) == run(false, false), "payments of nothing");
  }
});

}  // namespace
}  // namespace bulwark::selftest
