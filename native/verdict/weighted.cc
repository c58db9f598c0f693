#include "verdict/weighted.h"

#include <algorithm>
#include <limits>

#include "proof/kernels.h"
#include "weighted/ascent.h"

namespace bulwark {

namespace {

/// Room for what the ascent's eigenvalues are too small by, as a part of a row's value at the centre.
constexpr double kEstimated = 1e-3;

}  // namespace

void raiseByWeights(const proof::ProofNetwork& network, const proof::Prover& prover,
                    std::span<const proof::Claim> claims, const BoundsOptions& options, ThreadPool& pool,
                    const StopCheck& stop, std::vector<double>& bounds) {
  std::vector<size_t> open;
  for (size_t i = 0; i < claims.size(); ++i) {
    const bool proven = options.stopWhenProven && bounds[i] > 0;
    if (!proven && bounds[i] > -std::numeric_limits<double>::infinity()) open.push_back(i);
  }
  if (open.empty()) return;
  const weighted::Plan plan(network, prover.image(claims[open[0]].image));
  if (!plan.anyWeighted()) return;
  const weighted::AscentOptions ascent{
      .iterations = options.iterations,
      .learningRate = options.learningRate,
      .decay = options.decay,
      .headroom =
          options.stopWhenProven ? options.headroom + kEstimated : std::numeric_limits<double>::infinity(),
  };
  std::vector<proof::Claim> raised(open.size());
  std::vector<Multipliers> found(open.size());
  pool.parallelFor(static_cast<long>((open.size() + proof::kLanes - 1) / proof::kLanes),
                   [&](long block, int) {
                     const size_t begin = static_cast<size_t>(block) * proof::kLanes;
                     const size_t end = std::min(begin + proof::kLanes, open.size());
                     std::vector<const proof::Claim*> rows;
                     std::vector<const proof::ImageFacts*> images;
                     for (size_t i = begin; i < end; ++i) {
                       rows.push_back(&claims[open[i]]);
                       images.push_back(&prover.image(claims[open[i]].image));
                     }
                     std::vector<Multipliers> multipliers = weighted::climb(plan, rows, images, ascent, stop);
                     for (size_t i = begin; i < end; ++i) {
                       found[i] = std::move(multipliers[i - begin]);
                       raised[i] = claims[open[i]];
                       raised[i].multipliers = &found[i];
                     }
                   });
  const std::vector<double> proven = prover.lowerBounds(raised);
  for (size_t i = 0; i < open.size(); ++i) bounds[open[i]] = std::max(bounds[open[i]], proven[i]);
}

}  // namespace bulwark
