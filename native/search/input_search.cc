#include "search/input_search.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace bulwark {
namespace {

/// Boxes in one round.
constexpr size_t kBatch = 256;
/// Some 10^2 bytes each, and a quarter byte a neuron.
constexpr size_t kMostOpen = size_t{1} << 21;
/// Every so many rounds the most promising points seen since are descended from.
constexpr int kPolishInterval = 4;
constexpr size_t kPolishCount = 16;
/// Short steps, of so much of the problem's box at first, shrinking: these points are near something already.
constexpr int kPolishSteps = 40;
constexpr double kPolishStep = 0.02, kPolishShrink = 0.9;
/// See `bisect`.
constexpr double kLeastEffect = 0.1;

double rowValue(const proof::Claim& row, const double* y, int lane) {
  double sum = row.constant;
  for (size_t j = 0; j < row.row.size(); ++j) sum += row.row[j] * y[j * Points::kLanes + lane];
  return sum;
}

/// Four to a byte.
std::vector<uint8_t> packed(const std::vector<proof::Sign>& signs) {
  std::vector<uint8_t> bits((signs.size() + 3) / 4);
  for (size_t i = 0; i < signs.size(); ++i)
    bits[i / 4] = static_cast<uint8_t>(bits[i / 4] | static_cast<unsigned>(signs[i]) << 2 * (i % 4));
  return bits;
}

}  // namespace

InputSearch::InputSearch(const proof::ProofNetwork& network, proof::Arithmetic arithmetic,
                         std::vector<InputProblem> problems)
    : network_(network), arithmetic_(arithmetic), problems_(std::move(problems)), roots_(problems_.size()) {
  for (const int relu : network.relus()) neurons_ += static_cast<size_t>(network.size(relu));
  for (size_t i = 0; i < problems_.size(); ++i) {
    std::vector<int> terms(problems_[i].terms.size());
    for (size_t term = 0; term < terms.size(); ++term) terms[term] = static_cast<int>(term);
    push({.problem = static_cast<int>(i),
          .priority = -std::numeric_limits<double>::infinity(),
          .box = problems_[i].box,
          .terms = std::make_shared<const std::vector<int>>(std::move(terms)),
          .signs = {}});
  }
}

void InputSearch::push(Part part) {
  ++roots_[part.problem].open;
  queue_.push_back(std::move(part));
  std::push_heap(queue_.begin(), queue_.end(),
                 [](const Part& a, const Part& b) { return a.priority > b.priority; });
}

std::vector<InputSearch::Part> InputSearch::takeBatch() {
  std::vector<Part> batch;
  while (!queue_.empty() && batch.size() < kBatch) {
    std::pop_heap(queue_.begin(), queue_.end(),
                  [](const Part& a, const Part& b) { return a.priority > b.priority; });
    batch.push_back(std::move(queue_.back()));
    queue_.pop_back();
  }
  return batch;
}

/// What holds on the whole of each problem's box.
void InputSearch::makeRoots(const std::vector<Part>& batch, ThreadPool& pool, const StopCheck& stop) {
  std::vector<int> wanted;
  for (const Part& part : batch) {
    if (!roots_[part.problem].facts) wanted.push_back(part.problem);
  }
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  if (wanted.empty()) return;
  Region region{.kind = InputKind::box,
                .count = static_cast<int>(wanted.size()),
                .center = {},
                .eps = {},
                .lower = {},
                .upper = {}};
  for (const int problem : wanted) {
    const Box& box = problems_[problem].box;
    region.lower.insert(region.lower.end(), box.lower.begin(), box.lower.end());
    region.upper.insert(region.upper.end(), box.upper.begin(), box.upper.end());
  }
  for (size_t i = 0; i < region.lower.size(); ++i) {
    const double middle = region.lower[i] / 2 + region.upper[i] / 2;
    region.center.push_back(std::clamp(middle, region.lower[i], region.upper[i]));
  }
  proof::Prover prover(network_, region, arithmetic_, pool, stop);
  prover.tightenByCrown();
  if (stop()) return;
  for (size_t i = 0; i < wanted.size(); ++i) roots_[wanted[i]].facts = prover.take(static_cast<int>(i));
}

InputSearch::Report InputSearch::advance(ThreadPool& pool, const StopCheck& stop, int rounds) {
  Report report;
  while (workers_.size() < static_cast<size_t>(pool.size()))
    workers_.push_back(std::make_unique<Worker>(network_));
  for (int done = 0; done < rounds && !queue_.empty() && report.candidates.empty() && !stop(); ++done) {
    if (queue_.size() > kMostOpen) {
      report.state = State::full;
      return report;
    }
    std::vector<Part> batch = takeBatch();
    makeRoots(batch, pool, stop);
    std::vector<Outcome> outcomes(batch.size());
    pool.parallelFor(static_cast<long>(batch.size()), [&](long index, int worker) {
      if (stop() || !roots_[batch[index].problem].facts) return;
      outcomes[index] = examine(std::move(batch[index]), *workers_[worker]);
    });
    for (size_t i = 0; i < batch.size(); ++i) {
      --roots_[batch[i].problem].open;
      if (outcomes[i].done) ++boxes_;
      if (!outcomes[i].done) push(std::move(batch[i]));
    }
    std::erase_if(outcomes, [](const Outcome& outcome) { return !outcome.open; });
    const std::vector<Start> starts = evaluate(outcomes, pool);
    for (size_t i = 0; i < outcomes.size(); ++i) {
      if (starts[i].value <= 0) report.candidates.push_back({starts[i].problem, starts[i].x});
      if (!bisect(outcomes[i], starts[i].value)) stuck_ = true;
    }
    for (const Part& part : batch) {
      if (roots_[part.problem].open == 0) roots_[part.problem].facts.reset();
    }
    promising_.insert(promising_.end(), starts.begin(), starts.end());
    std::stable_sort(promising_.begin(), promising_.end(),
                     [](const Start& a, const Start& b) { return a.value < b.value; });
    if (promising_.size() > kPolishCount) promising_.resize(kPolishCount);
    if (++round_ % kPolishInterval == 0) descend(pool, stop, report);
  }
  if (queue_.empty()) report.state = stuck_ ? State::stuck : State::refuted;
  return report;
}

/// Bounds the rows of every open term; a term is ruled out where one of its rows, or a nonnegative
/// combination of their affine bounds, is positive on the whole box.
InputSearch::Outcome InputSearch::examine(Part part, Worker& worker) const {
  const InputProblem& problem = problems_[part.problem];
  const proof::ImageFacts& facts = *roots_[part.problem].facts;
  Outcome outcome{.done = true, .open = false, .rest = std::move(part), .sensitivity = {}, .point = {}};
  Part& rest = outcome.rest;
  const size_t inputs = rest.box.lower.size();
  outcome.sensitivity.assign(inputs, 0.0);

  std::vector<int> placeOf(problem.rows.size(), -1);
  std::vector<proof::Claim> claims;
  for (const int term : *rest.terms) {
    for (const int row : problem.terms[term]) {
      if (placeOf[row] >= 0) continue;
      placeOf[row] = static_cast<int>(claims.size());
      claims.push_back(problem.rows[row]);
    }
  }
  const double nothing = -std::numeric_limits<double>::infinity();
  std::vector<double> bounds(claims.size(), nothing), offsets(claims.size(), nothing);
  std::vector<double> slopes(claims.size() * inputs);
  if (facts.valid()) {
    worker.signs.assign(neurons_, proof::Sign::open);
    for (size_t i = 0; i < neurons_ && !rest.signs.empty(); ++i)
      worker.signs[i] = static_cast<proof::Sign>(rest.signs[i / 4] >> 2 * (i % 4) & 3);
    worker.boxes.bound(facts, rest.box.lower, rest.box.upper, worker.signs, claims, bounds.data(),
                       slopes.data(), offsets.data());
    rest.signs = packed(worker.signs);
  }

  std::vector<int> open;
  Box hull;
  AffineBound guide;
  double worst = 0;
  for (const int term : *rest.terms) {
    double bound = nothing;
    std::vector<AffineBound> rows;
    for (const int row : problem.terms[term]) {
      const int place = placeOf[row];
      bound = std::max(bound, bounds[place]);
      const auto slope = slopes.begin() + static_cast<ptrdiff_t>(place * inputs);
      if (std::isfinite(offsets[place]))
        rows.push_back({{slope, slope + static_cast<ptrdiff_t>(inputs)}, offsets[place]});
    }
    if (bound > 0) continue;
    Box box = rest.box;
    AffineBound combination{std::vector<double>(inputs), 0};
    if (!rows.empty()) {
      combination = bestCombination(rows, box);
      if (!clip(rows, combination, box)) continue;
    }
    if (open.empty() || bound < worst) {
      worst = bound;
      guide = std::move(combination);
    }
    if (open.empty()) {
      hull = std::move(box);
    } else {
      enclose(hull, box);
    }
    open.push_back(term);
    for (const AffineBound& row : rows) {
      for (size_t i = 0; i < inputs; ++i)
        outcome.sensitivity[i] = std::max(outcome.sensitivity[i], std::fabs(row.slope[i]));
    }
  }
  if (open.empty()) return outcome;
  outcome.open = true;
  rest.box = std::move(hull);
  if (open.size() < rest.terms->size())
    rest.terms = std::make_shared<const std::vector<int>>(std::move(open));
  outcome.point = minimiser(guide, rest.box);
  return outcome;
}

/// The network at the guide's minimiser in every open box, and how near each is to a counterexample.
std::vector<InputSearch::Start> InputSearch::evaluate(const std::vector<Outcome>& outcomes,
                                                      ThreadPool& pool) {
  std::vector<Start> starts(outcomes.size());
  constexpr size_t lanes = Points::kLanes;
  pool.parallelFor(static_cast<long>((outcomes.size() + lanes - 1) / lanes), [&](long index, int worker) {
    const size_t first = static_cast<size_t>(index) * lanes, count = std::min(lanes, outcomes.size() - first);
    std::vector<double> x(static_cast<size_t>(network_.size(0)) * lanes);
    for (size_t lane = 0; lane < lanes; ++lane) {
      const std::vector<double>& point = outcomes[first + std::min(lane, count - 1)].point;
      for (size_t i = 0; i < point.size(); ++i) x[i * lanes + lane] = point[i];
    }
    const double* y = workers_[worker]->points.run(x.data());
    for (size_t lane = 0; lane < count; ++lane) {
      const Outcome& outcome = outcomes[first + lane];
      const InputProblem& problem = problems_[outcome.rest.problem];
      Start& start = starts[first + lane];
      start = {outcome.rest.problem, 0, std::numeric_limits<double>::infinity(), outcome.point};
      for (const int term : *outcome.rest.terms) {
        double value = -std::numeric_limits<double>::infinity();
        for (const int row : problem.terms[term])
          value = std::max(value, rowValue(problem.rows[row], y, static_cast<int>(lane)));
        if (value < start.value) start.value = value, start.term = term;
      }
    }
  });
  return starts;
}

/// Descends on the greatest row of each promising point's term: steps against the sign of its gradient,
/// scaled by the widths of the problem's box.
void InputSearch::descend(ThreadPool& pool, const StopCheck& stop, Report& report) {
  constexpr size_t lanes = Points::kLanes;
  const std::vector<Start> starts = std::exchange(promising_, {});
  const auto inputs = static_cast<size_t>(network_.size(0)),
             outputs = static_cast<size_t>(network_.size(network_.nodeCount() - 1));
  std::vector<Candidate> found(starts.size());
  pool.parallelFor(static_cast<long>((starts.size() + lanes - 1) / lanes), [&](long index, int worker) {
    const size_t first = static_cast<size_t>(index) * lanes, count = std::min(lanes, starts.size() - first);
    std::vector<double> x(inputs * lanes), rows(outputs * lanes);
    for (size_t lane = 0; lane < count; ++lane) {
      for (size_t i = 0; i < inputs; ++i) x[i * lanes + lane] = starts[first + lane].x[i];
    }
    double size = kPolishStep;
    for (int step = 0; step < kPolishSteps && !stop(); ++step, size *= kPolishShrink) {
      Points& points = workers_[worker]->points;
      const double* y = points.run(x.data());
      for (size_t lane = 0; lane < count; ++lane) {
        const Start& start = starts[first + lane];
        const InputProblem& problem = problems_[start.problem];
        const proof::Claim* greatest = nullptr;
        double value = -std::numeric_limits<double>::infinity();
        for (const int row : problem.terms[start.term]) {
          const double each = rowValue(problem.rows[row], y, static_cast<int>(lane));
          if (greatest && !(each > value)) continue;
          greatest = &problem.rows[row];
          value = each;
        }
        for (size_t j = 0; j < outputs; ++j) rows[j * lanes + lane] = greatest ? greatest->row[j] : 0;
        Candidate& candidate = found[first + lane];
        if (value > 0 || !candidate.x.empty()) continue;
        candidate.problem = start.problem;
        for (size_t i = 0; i < inputs; ++i) candidate.x.push_back(x[i * lanes + lane]);
      }
      const double* gradient = points.gradient(rows.data());
      for (size_t lane = 0; lane < count; ++lane) {
        const Box& box = problems_[starts[first + lane].problem].box;
        for (size_t i = 0; i < inputs; ++i) {
          const double g = gradient[i * lanes + lane];
          const double move = g > 0 ? -size : g < 0 ? size : 0;
          double& at = x[i * lanes + lane];
          at = std::clamp(at + move * (box.upper[i] - box.lower[i]), box.lower[i], box.upper[i]);
        }
      }
    }
  });
  for (Candidate& each : found) {
    if (!each.x.empty()) report.candidates.push_back(std::move(each));
  }
}

/// Two halves along the input where sensitivity times width is largest. An input whose slopes happen to
/// vanish may still be what makes the bound loose, so none counts for less than a tenth of the most sensitive
/// one, both taken over the problem's whole width. False where float64 has no point between the ends of any
/// input.
bool InputSearch::bisect(const Outcome& outcome, double priority) {
  const Part& part = outcome.rest;
  const Box& whole = problems_[part.problem].box;
  const size_t inputs = part.box.lower.size();
  double floor = 0;
  for (size_t i = 0; i < inputs; ++i)
    floor = std::max(floor, outcome.sensitivity[i] * (whole.upper[i] - whole.lower[i]));
  floor = std::max(kLeastEffect * floor, std::numeric_limits<double>::min());
  const auto middleOf = [&](size_t i) { return part.box.lower[i] / 2 + part.box.upper[i] / 2; };
  size_t best = inputs;
  double bestScore = -1;
  for (size_t i = 0; i < inputs; ++i) {
    const double low = part.box.lower[i], high = part.box.upper[i], width = whole.upper[i] - whole.lower[i];
    if (!(middleOf(i) > low && middleOf(i) < high)) continue;
    const double score = std::max(outcome.sensitivity[i] * width, floor) * ((high - low) / width);
    if (score > bestScore) best = i, bestScore = score;
  }
  if (best == inputs) return false;
  for (const bool upper : {false, true}) {
    Part half = part;
    half.priority = priority;
    (upper ? half.box.lower : half.box.upper)[best] = middleOf(best);
    push(std::move(half));
  }
  return true;
}

}  // namespace bulwark
