#include "attack/pgd.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <optional>
#include <stdexcept>
#include <string>

#include "attack/descent.h"
#include "attack/direction.h"
#include "attack/feasible.h"

namespace bulwark {
namespace {

constexpr int kLanesPerCall = 144;    // lanes of a descent; nine blocks of sixteen
constexpr int kRestartsPerRound = 8;  // after a round the promising rows are chosen again
constexpr int kRowsRestarted = 2;
constexpr int kStepsPerCheck = 4;      // with stopWhenFalsified: steps between looks at the values
constexpr float kWithinReach = 0.15f;  // with stopWhenFalsified: restart where the best is below this part of
                                       // the value at the centre; restarts improve on a descent by less
constexpr double kLastStep = 0.02;     // last step as a fraction of the first
constexpr double kInfinity = std::numeric_limits<double>::infinity();

int lanesPerCall(const Backend& backend) { return std::max(kLanesPerCall, backend.leastRows()); }

/// Cosine from `first` at step 0 to kLastStep of it.
float stepAt(int step, const AttackOptions& options) {
  const double done = options.steps > 1 ? static_cast<double>(step) / (options.steps - 1) : 0;
  const double fall = 0.5 * (1 + std::cos(std::numbers::pi * done));
  return static_cast<float>(options.stepSize * (kLastStep + (1 - kLastStep) * fall));
}

/// The best that float32 descents found for one row of one image.
struct Found {
  float value = std::numeric_limits<float>::infinity();
  std::vector<float> deviation;  // empty: not fetched
  bool evaluated = false;        // in float64
};

class Campaign {
 public:
  Campaign(const Network& network, const Plans& plans, Backend& backend, const Region& region,
           const Specification& specification, int first, int count, const AttackOptions& options,
           const StopCheck& stop, AttackResult& result)
      : network_(network),
        region_(region),
        specification_(specification),
        first_(first),
        count_(count),
        options_(options),
        stop_(stop),
        result_(result),
        rowCount_(specification.rowCount),
        capacity_(std::max(lanesPerCall(backend), rowCount_)),
        found_(static_cast<size_t>(count) * rowCount_),
        atCenter_(found_.size()),
        falsified_(count, 0),
        descent_(network, plans, backend, region, specification, stop,
                 std::min(capacity_, count * std::max(rowCount_, kRestartsPerRound))) {}

  void run() {
    std::vector<Job> jobs;
    for (int image = first_; image < first_ + count_; ++image)
      for (int row = 0; row < rowCount_; ++row) jobs.push_back({image, row, 0});
    descendAll(jobs);
    for (int done = 0; done < options_.restarts && !stop_(); done += kRestartsPerRound)
      descendAll(restartJobs(done, std::min(done + kRestartsPerRound, options_.restarts)));
    for (int image = first_; image < first_ + count_; ++image)
      for (int row = 0; row < rowCount_ && !stop_(); ++row)
        if (!options_.stopWhenFalsified || row == bestRow(image)) evaluate(image, row);
  }

 private:
  Found& found(int image, int row) { return found_[static_cast<size_t>(image - first_) * rowCount_ + row]; }

  int bestRow(int image) {
    const Found* rows = &found(image, 0);
    return static_cast<int>(
        std::min_element(rows, rows + rowCount_, [](auto& a, auto& b) { return a.value < b.value; }) - rows);
  }

  /// Restarts [begin, end) of every image that needs them, on its most promising rows by turns.
  std::vector<Job> restartJobs(int begin, int end) {
    std::vector<Job> jobs;
    std::vector<int> rows(rowCount_);
    for (int image = first_; image < first_ + count_; ++image) {
      if (falsified_[image - first_]) continue;
      for (int row = 0; row < rowCount_; ++row) rows[row] = row;
      const int turns = std::min(kRowsRestarted, rowCount_);
      std::partial_sort(rows.begin(), rows.begin() + turns, rows.end(), [&](int a, int b) {
        return found(image, a).value != found(image, b).value ? found(image, a).value < found(image, b).value
                                                              : a < b;
      });
      for (int restart = begin; restart < end; ++restart) {
        const int row = rows[restart % turns];
        const float center = atCenter_[static_cast<size_t>(image - first_) * rowCount_ + row];
        if (options_.stopWhenFalsified && !(found(image, row).value < kWithinReach * center)) continue;
        jobs.push_back({image, row, restart + 1});
      }
    }
    return jobs;
  }

  /// Runs the jobs in groups that fit and never divide an image, so that what an image gets does not depend
  /// on the others.
  void descendAll(const std::vector<Job>& jobs) {
    for (size_t begin = 0; begin < jobs.size();) {
      size_t end = begin;
      while (end < jobs.size()) {
        size_t next = end;
        while (next < jobs.size() && jobs[next].image == jobs[end].image) ++next;
        if (next - begin > static_cast<size_t>(capacity_)) break;
        end = next;
      }
      if (stop_()) return;
      descendGroup({jobs.begin() + begin, jobs.begin() + end});
      begin = end;
    }
  }

  void descendGroup(std::vector<Job> jobs) {
    descent_.load(jobs);
    if (jobs.front().restart > 0) {
      const size_t size = network_.inputSize();
      std::vector<float> far(jobs.size() * size);
      for (size_t lane = 0; lane < jobs.size(); ++lane)
        farPoint(region_, jobs[lane].image, static_cast<int>(size), options_.seed, jobs[lane].restart,
                 &far[lane * size]);
      descent_.aim(far);
    }
    std::vector<float> before(jobs.size(), std::numeric_limits<float>::infinity());
    for (int step = 0; step <= options_.steps && !jobs.empty() && !stop_(); ++step) {
      descent_.advance(step < options_.steps ? stepAt(step, options_) : 0);
      if (step == 0 && jobs.front().restart == 0) {
        const std::vector<float> best = descent_.best();
        for (size_t lane = 0; lane < jobs.size(); ++lane)
          atCenter_[static_cast<size_t>(jobs[lane].image - first_) * rowCount_ + jobs[lane].row] = best[lane];
      }
      if (options_.stopWhenFalsified && step % kStepsPerCheck == kStepsPerCheck - 1 && step < options_.steps)
        retire(jobs, before, options_.steps - step);
    }
    if (!jobs.empty()) collect(jobs, descent_.best());
  }

  /// Drops the lanes of falsified images and those that cannot reach zero if each check to come gains what
  /// the last one did: gains shrink from check to check.
  void retire(std::vector<Job>& jobs, std::vector<float>& before, int stepsLeft) {
    const std::vector<float> best = descent_.best();
    collect(jobs, best);
    for (const Job& job : jobs)
      if (!falsified_[job.image - first_] && found(job.image, bestRow(job.image)).value < 0)
        evaluate(job.image, bestRow(job.image));

    const float checksLeft = std::ceil(static_cast<float>(stepsLeft) / kStepsPerCheck);
    std::vector<int> kept;
    for (size_t lane = 0; lane < jobs.size(); ++lane) {
      const bool within = best[lane] < (before[lane] - best[lane]) * checksLeft;
      if (!falsified_[jobs[lane].image - first_] && within) kept.push_back(static_cast<int>(lane));
    }
    before = best;
    if (kept.size() == jobs.size()) return;
    for (size_t to = 0; to < kept.size(); ++to) {
      jobs[to] = jobs[kept[to]];
      before[to] = before[kept[to]];
    }
    jobs.resize(kept.size());
    before.resize(kept.size());
    descent_.keep(kept);
  }

  /// Takes over what the lanes found, with the points that will be evaluated: every row's best, or only the
  /// image's.
  void collect(const std::vector<Job>& jobs, const std::vector<float>& best) {
    std::vector<int> lanes;
    for (size_t lane = 0; lane < jobs.size(); ++lane) {
      Found& row = found(jobs[lane].image, jobs[lane].row);
      if (!(best[lane] < row.value)) continue;
      row = {best[lane], {}, false};
      lanes.push_back(static_cast<int>(lane));
    }
    std::erase_if(lanes, [&](int lane) {
      const Job& job = jobs[lane];
      const bool wanted = !options_.stopWhenFalsified || bestRow(job.image) == job.row;
      return !wanted || found(job.image, job.row).value != best[lane];
    });
    if (lanes.empty()) return;
    const size_t size = network_.inputSize();
    const std::vector<float> points = descent_.points(lanes);
    for (size_t i = 0; i < lanes.size(); ++i)
      found(jobs[lanes[i]].image, jobs[lanes[i]].row)
          .deviation.assign(points.begin() + i * size, points.begin() + (i + 1) * size);
  }

  /// Evaluates all rows of the image in float64 at the best point of one of them.
  void evaluate(int image, int row) {
    Found& best = found(image, row);
    if (best.evaluated || best.deviation.empty()) return;
    best.evaluated = true;
    replay(network_, region_, specification_, image, best.deviation.data(), result_);
    falsified_[image - first_] = result_.margin[image] < 0;
  }

  const Network& network_;
  const Region& region_;
  const Specification& specification_;
  const int first_, count_;
  const AttackOptions& options_;
  const StopCheck& stop_;
  AttackResult& result_;
  const int rowCount_, capacity_;
  std::vector<Found> found_;     // [image - first][row]
  std::vector<float> atCenter_;  // likewise
  std::vector<char> falsified_;
  Descent descent_;
};

}  // namespace

int attackChunk(int rowCount, const Backend& backend) {
  return std::max(1, lanesPerCall(backend) / std::max(rowCount, kRestartsPerRound));
}

void attackImages(const Network& network, const Plans& plans, Backend& backend, const Region& region,
                  const Specification& specification, int first, int count, const AttackOptions& options,
                  const StopCheck& stop, AttackResult& result) {
  requireCentersInside(region, first, count, network.inputSize());
  if (count == 0 || specification.rowCount == 0) return;
  Campaign(network, plans, backend, region, specification, first, count, options, stop, result).run();
}

}  // namespace bulwark
