#include "search/falsifier.h"

#include <algorithm>
#include <iterator>
#include <numeric>
#include <utility>

#include "attack/feasible.h"

namespace bulwark {

namespace {

/// Minimisers that are evaluated together; those of two full rounds.
constexpr int kAtOnce = 128;
/// How many of them are descended from: one block of lanes, some twentieth of what their round costs.
constexpr int kDescents = 16;
constexpr int kSteps = 20, kStepsPerCheck = 5;
/// Of the region's radius: wide enough to leave the basin that a minimiser lies in.
constexpr float kFirstStep = 1.0f, kShrink = 0.85f;

}  // namespace

Falsifier::Falsifier(const Prepared& prepared, const Region& region, const Specification& specification,
                     int first, int count, Workers& workers, const StopCheck& stop, AttackResult& result)
    : prepared_(prepared),
      region_(region),
      specification_(specification),
      first_(first),
      workers_(workers),
      stop_(stop),
      result_(result) {
  requireCentersInside(region, first, count, prepared.network.inputSize());
}

void Falsifier::consider(std::vector<Minimiser> minimisers, bool now) {
  std::move(minimisers.begin(), minimisers.end(), std::back_inserter(waiting_));
  if (!now && descent_ && static_cast<int>(waiting_.size()) < kDescents) return;
  const std::vector<Minimiser> all = std::exchange(waiting_, {});
  for (size_t at = 0; at < all.size() && !stop_(); at += kAtOnce) {
    std::vector<Minimiser> some;
    for (size_t i = at; i < std::min(all.size(), at + kAtOnce); ++i) {
      if (!falsified(all[i].row)) some.push_back(all[i]);
    }
    if (!some.empty()) descend(some);
  }
}

void Falsifier::descend(const std::vector<Minimiser>& from) {
  std::vector<Job> jobs;
  std::vector<float> deviations;
  for (const Minimiser& each : from) {
    jobs.push_back(jobOf(each.row));
    deviations.insert(deviations.end(), each.deviation.begin(), each.deviation.end());
  }
  if (!descent_) {
    descent_.emplace(prepared_.network, prepared_.plans, workers_.main(), region_, specification_, stop_,
                     kAtOnce);
  }
  descent_->load(jobs);
  descent_->place(deviations);
  descent_->advance(0);
  const std::vector<float> values = descent_->best();
  std::vector<int> order(jobs.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return values[a] < values[b]; });
  order.resize(std::min<size_t>(order.size(), kDescents));
  descent_->keep(order);
  std::vector<Job> kept;
  for (const int lane : order) kept.push_back(jobs[lane]);

  float step = kFirstStep;
  for (int done = 0; done < kSteps && !stop_(); ++done, step *= kShrink) {
    descent_->advance(step);
    if (done % kStepsPerCheck == 0) collect(kept);
    if (std::all_of(kept.begin(), kept.end(), [&](const Job& job) { return falsified(job); })) return;
  }
  descent_->advance(0);
  collect(kept);
}

/// Replays the lanes that may have found something better than what is known of their row.
void Falsifier::collect(const std::vector<Job>& jobs) {
  const std::vector<float> best = descent_->best();
  std::vector<int> lanes;
  for (size_t lane = 0; lane < jobs.size(); ++lane) {
    if (best[lane] < 0 && !falsified(jobs[lane])) lanes.push_back(static_cast<int>(lane));
  }
  if (lanes.empty()) return;
  const std::vector<float> points = descent_->points(lanes);
  const size_t size = prepared_.network.inputSize();
  for (size_t i = 0; i < lanes.size(); ++i) {
    const Job& job = jobs[lanes[i]];
    if (!falsified(job))
      replay(prepared_.network, region_, specification_, job.image, points.data() + i * size, result_);
  }
}

}  // namespace bulwark
