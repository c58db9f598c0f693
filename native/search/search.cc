#include "search/search.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "search/open.h"
#include "search/subproblem_rows.h"

namespace bulwark {

namespace {

class Search {
 public:
  Search(const RowSource& source, const Images& images, const Budgets& budgets, Workers& workers, int target,
         const DualPreset& preset, const SearchOptions& options, const StopCheck& stop, Falsifier* falsifier)
      : source_(source),
        images_(images),
        budgets_(budgets),
        workers_(workers),
        target_(target),
        preset_(preset),
        options_(options),
        stop_(stop),
        falsifier_(falsifier),
        unsettled_(source.count(), 0),
        open_(options.memory) {
    result_.lower.assign(source.count(), std::numeric_limits<double>::infinity());
    result_.lost.assign(source.count(), 0);
    result_.subproblems.assign(budgets.most.size(), 0);
    result_.limit.assign(budgets.most.size(), Limit::none);
    if (options.leaves) result_.leaves.resize(source.count());
  }

  SearchResult run(const RowResults& roots, const Progress& progress) {
    enterRoots(roots);
    while (!open_.empty() && !stop_()) {
      round();
      if (progress) progress(settledRows(), source_.count());
    }
    while (!open_.empty()) leave(open_.popWorst());
    return std::move(result_);
  }

 private:
  /// Branches, and what an ascent of so many steps bounds them by.
  struct Climbed {
    SubproblemRows rows;
    RowResults results;
  };
  Climbed climbed(std::vector<Branch> branches, int steps, int candidates) {
    return climbed(SubproblemRows(source_, std::move(branches), candidates, falsifier_ && candidates > 0),
                   steps, options_.decay, preset_);
  }
  Climbed climbed(SubproblemRows rows, int steps, double decay, const DualPreset& preset) {
    const AscentOptions ascent{.iterations = steps,
                               .learningRate = options_.learningRate,
                               .decay = decay,
                               .stopWhenProven = true,
                               .headroom = options_.headroom,
                               .keepsBest = options_.ownBounds};
    RowResults results =
        boundRows(rows, images_, workers_, target_, preset, ascent, stop_, {}, {.multipliers = true}, &rows);
    return {std::move(rows), std::move(results)};
  }

  void enterRoots(const RowResults& roots) {
    std::vector<Branch> open;
    for (long row = 0; row < source_.count(); ++row) {
      unsettled_[row] = 1;
      if (proven(row, roots.lower[row])) {
        close(row, {}, roots.multipliers[row], roots.lower[row]);
      } else {
        const bool fresh = roots.multipliers[row].slope.empty();
        open.push_back({row, {}, fresh ? nullptr : std::make_shared<Multipliers>(roots.multipliers[row])});
      }
    }
    const Climbed root = climbed(std::move(open), options_.steps, options_.candidates);
    for (long i = 0; i < root.rows.count(); ++i) {
      settle(root, i, roots.lower[root.rows.branch(i).row]);
    }
    finishBare();
    attack();
  }

  /// Splits the worst subproblems: trials on both sides of their candidates, then the best split's children.
  void round() {
    const std::vector<Subproblem> worst = takeWorst();
    std::vector<Branch> trials;
    for (const Subproblem& parent : worst) {
      for (const Candidate& candidate : parent.candidates) {
        for (bool active : {true, false}) trials.push_back(childOf(parent, candidate, active));
      }
    }
    const Climbed trial = climbed(std::move(trials), options_.trialSteps, 0);
    if (stop_()) return putBack(worst);

    std::vector<Branch> children;
    std::vector<double> bounds;
    long at = 0;
    for (const Subproblem& parent : worst) {
      const long pair = at + 2 * bestPair(trial.results, at, static_cast<long>(parent.candidates.size()));
      at += 2 * static_cast<long>(parent.candidates.size());
      unsettled_[parent.row] += 1;  // two children for one parent
      for (long side : {pair, pair + 1}) {
        const double bound = better(parent.bound, trial.results.lower[side]);
        const Branch& branch = trial.rows.branch(side);
        result_.subproblems[unitOf(parent.row)] += 1;
        if (proven(branch.row, trial.results.lower[side])) {
          close(branch.row, branch.splits, trial.results.multipliers[side], bound);
          continue;
        }
        children.push_back(
            {branch.row, branch.splits, std::make_shared<Multipliers>(trial.results.multipliers[side])});
        bounds.push_back(bound);
      }
    }
    const Climbed kept = climbed(std::move(children), options_.steps, options_.candidates);
    for (long i = 0; i < kept.rows.count(); ++i) settle(kept, i, bounds[i]);
    finishBare();
    attack();
  }

  std::vector<Subproblem> takeWorst() {
    std::vector<Subproblem> worst;
    while (!open_.empty() && static_cast<int>(worst.size()) < options_.batch) {
      Subproblem next = open_.popWorst();
      const int unit = unitOf(next.row);
      if (result_.subproblems[unit] >= budgets_.most[unit]) result_.limit[unit] = Limit::subproblems;
      if (result_.limit[unit] != Limit::none) {
        leave(std::move(next));
      } else {
        worst.push_back(std::move(next));
      }
    }
    return worst;
  }

  void putBack(const std::vector<Subproblem>& taken) {
    for (const Subproblem& each : taken) leave(each);
  }

  /// Out of the search, neither proven nor split.
  void leave(Subproblem subproblem) {
    if (abandoned(unitOf(subproblem.row))) {
      lose(subproblem.row, subproblem.bound);
    } else {
      result_.open.push_back(std::move(subproblem));
    }
  }

  void lose(long row, double bound) {
    noteBound(row, bound);
    result_.lost[row] = 1;
    if (!options_.leaves) return;
    for (const Leaf& leaf : std::exchange(result_.leaves[row], {})) open_.release(bytesOf(leaf));
  }

  /// Ends the search of a unit undecided, at once, for the sake of the memory that its subproblems take.
  void abandon(int unit, Limit why) {
    result_.limit[unit] = why;
    for (const Subproblem& each : open_.takeIf([&](auto& open) { return unitOf(open.row) == unit; }))
      lose(each.row, each.bound);
  }

  /// Looks for counterexamples where relaxations are least.
  void attack(bool now = false) {
    if (!falsifier_) return;
    falsifier_->consider(std::exchange(minimisers_, {}), now);
    for (long row = 0; row < source_.count(); ++row) {
      if (falsifier_->falsified(row) && !abandoned(unitOf(row))) abandon(unitOf(row), Limit::falsified);
    }
  }

  static Branch childOf(const Subproblem& parent, const Candidate& candidate, bool active) {
    Branch child{parent.row, parent.splits, parent.start};
    child.splits.push_back({candidate.relu, candidate.feature, active});
    return child;
  }

  /// The pair of trials whose worse side is best; the better side breaks near-ties.
  static long bestPair(const RowResults& trials, long first, long pairs) {
    constexpr double kOtherSide = 0.1;
    long best = 0;
    double bestScore = -std::numeric_limits<double>::infinity();
    for (long pair = 0; pair < pairs; ++pair) {
      // Beyond 0 a bound gains nothing more.
      const double a = std::min(0.0, trials.lower[first + 2 * pair]);
      const double b = std::min(0.0, trials.lower[first + 2 * pair + 1]);
      const double score = std::min(a, b) + kOtherSide * std::max(a, b);
      if (score > bestScore) {
        best = pair;
        bestScore = score;
      }
    }
    return best;
  }

  /// Subproblems in which every neuron is settled are convex: all that can be missing is ascent. One that
  /// ends unproven after a long one ends its image.
  void finishBare() {
    constexpr int kLonger = 20;
    if (bare_.empty()) return;
    const std::vector<double> bounds = std::exchange(bareBounds_, {});
    // No ball helps a convex problem, and without the input's payment steps are gradients.
    DualPreset preset = preset_;
    preset.coupled = false;
    const Climbed last = climbed(SubproblemRows(source_, std::exchange(bare_, {}), 0, falsifier_ != nullptr),
                                 kLonger * options_.steps, std::pow(options_.decay, 1.0 / kLonger), preset);
    std::vector<int> ended;
    for (long i = 0; i < last.rows.count(); ++i) {
      const Branch& branch = last.rows.branch(i);
      const double bound = better(bounds[i], last.results.lower[i]);
      if (proven(branch.row, last.results.lower[i])) {
        close(branch.row, branch.splits, last.results.multipliers[i], bound);
      } else {
        lose(branch.row, bound);
        if (!last.results.finished[i]) continue;
        ended.push_back(unitOf(branch.row));
        // Where nothing is left to split, the relaxation is the network.
        if (falsifier_) minimisers_.push_back({branch.row, last.rows.minimiser(i)});
      }
    }
    attack(true);
    for (const int unit : ended) {
      if (!abandoned(unit)) abandon(unit, Limit::splits);
    }
  }

  /// A climbed branch is proven, or waits to be split, or has nothing left to split.
  void settle(const Climbed& climbed, long i, double known) {
    const Branch& branch = climbed.rows.branch(i);
    const double bound = better(known, climbed.results.lower[i]);
    if (proven(branch.row, climbed.results.lower[i])) {
      close(branch.row, branch.splits, climbed.results.multipliers[i], bound);
      return;
    }
    if (climbed.rows.candidates(i).empty()) {
      // Cut short, it would have gone on; finished, no split is left to make.
      if (climbed.results.finished[i]) {
        bare_.push_back(
            {branch.row, branch.splits, std::make_shared<Multipliers>(climbed.results.multipliers[i])});
        bareBounds_.push_back(bound);
      } else {
        lose(branch.row, bound);
      }
      return;
    }
    if (abandoned(unitOf(branch.row))) return lose(branch.row, bound);
    Subproblem open{branch.row,
                    made_++,
                    branch.splits,
                    bound,
                    std::make_shared<Multipliers>(climbed.results.multipliers[i]),
                    climbed.rows.candidates(i)};
    if (!open_.push(std::move(open))) {
      lose(branch.row, bound);
      return abandon(unitOf(branch.row), Limit::memory);
    }
    if (falsifier_) minimisers_.push_back({branch.row, climbed.rows.minimiser(i)});
  }

  void close(long row, std::vector<Split> splits, const Multipliers& multipliers, double bound) {
    noteBound(row, bound);
    unsettled_[row] -= 1;
    if (!options_.leaves || result_.lost[row]) return;
    Leaf leaf{std::move(splits), multipliers, bound};
    if (open_.hold(bytesOf(leaf))) {
      result_.leaves[row].push_back(std::move(leaf));
    } else {
      lose(row, bound);  // a leaf is missing, so the row stays unproven
      abandon(unitOf(row), Limit::memory);
    }
  }

  int unitOf(long row) const { return budgets_.unit[row]; }
  bool abandoned(int unit) const {
    return result_.limit[unit] != Limit::none && result_.limit[unit] != Limit::subproblems;
  }
  double better(double known, double own) const { return options_.ownBounds ? own : std::max(known, own); }

  bool proven(long row, double bound) const { return bound > goalOf(source_, row, options_.headroom); }

  void noteBound(long row, double bound) { result_.lower[row] = std::min(result_.lower[row], bound); }

  long settledRows() const { return static_cast<long>(std::count(unsettled_.begin(), unsettled_.end(), 0)); }

  const RowSource& source_;
  const Images& images_;
  const Budgets& budgets_;
  Workers& workers_;
  const int target_;
  const DualPreset preset_;
  const SearchOptions options_;
  const StopCheck& stop_;
  Falsifier* const falsifier_;   // null: no attack
  std::vector<long> unsettled_;  // per row: subproblems neither proven nor split
  OpenSubproblems open_;
  std::vector<Minimiser> minimisers_;  // of what was taken in since the last attack
  std::vector<Branch> bare_;           // subproblems with nothing left to split, and their bounds
  std::vector<double> bareBounds_;
  long made_ = 0;
  SearchResult result_;
};

}  // namespace

SearchResult searchRows(const RowSource& source, const RowResults& roots, const Images& images,
                        const Budgets& budgets, Workers& workers, int target, const DualPreset& preset,
                        const SearchOptions& options, const StopCheck& stop, const Progress& progress,
                        Falsifier* falsifier) {
  return Search(source, images, budgets, workers, target, preset, options, stop, falsifier)
      .run(roots, progress);
}

}  // namespace bulwark
