#include "verdict/proven.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <numeric>
#include <span>

#include "proof/cover.h"
#include "verdict/own_boxes.h"
#include "verdict/weighted.h"

namespace bulwark {

namespace {

/// Of a call's time, what is kept for the proofs of its last batch: after a long search they need some 3 %.
constexpr double kProofShare = 0.15;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::vector<proof::Split> converted(const std::vector<Split>& given) {
  std::vector<proof::Split> splits;
  for (const Split& split : given) splits.push_back({split.relu, split.feature, split.active});
  return splits;
}

/// Claims on a group of images; they point to the multipliers they were given.
class Claims {
 public:
  Claims(const ProofModel& model, const Specification& specification)
      : model_(model), specification_(specification) {}

  /// `place` is the image's in the group, `image` in the region.
  void addRow(int place, int image, int row, const Multipliers* multipliers,
              const std::vector<Split>& splits) {
    const int outputs = static_cast<int>(model_.output.size());
    const double* c = specification_.row(image, row, outputs);
    proof::Claim claim;
    claim.image = place;
    for (int32_t position : model_.output) claim.row.push_back(c[position]);
    claim.constant = specification_.constant(image, row);
    claim.splits = converted(splits);
    claim.multipliers = multipliers;
    claims_.push_back(std::move(claim));
  }

  /// Of the claim added last; `slope` is in the engine's order.
  void setSlope(const float* slope) {
    for (const int32_t position : model_.input) claims_.back().inputSlope.push_back(slope[position]);
  }

  void addBox(int place, const BoxClaim& box) {
    proof::Claim claim;
    claim.image = place;
    claim.target = box.relu;
    claim.feature = box.feature;
    claim.sign = box.sign;
    claim.splits = converted(box.splits);
    claim.multipliers = &box.multipliers;
    claims_.push_back(std::move(claim));
  }

  const std::vector<proof::Claim>& all() const { return claims_; }

 private:
  const ProofModel& model_;
  const Specification& specification_;
  std::vector<proof::Claim> claims_;
};

const Multipliers kNone;

std::vector<double> ballBounds(const proof::Prover& prover, const std::vector<proof::Claim>& claims) {
  std::vector<double> bounds;
  for (const proof::Claim& claim : claims)
    bounds.push_back(prover.ballBound(claim.image, claim.row, claim.constant));
  return bounds;
}

void markAll(std::span<const int> images, std::vector<uint8_t>& timedOut) {
  for (const int image : images) timedOut[image] = 1;
}

/// One batch of images on its way from belief to proof.
struct Batch {
  const ProvenBounds& task;
  const std::optional<ProofModel>& model;
  const std::optional<OwnBoxes>& own;
  const StopCheck& stop;  // also once the time is over
  int first, count;

  size_t rowAt(int image, int row) const {
    return static_cast<size_t>(image) * task.specification.rowCount + row;
  }

  /// Images, in ascending order, for which keep(row) holds for all rows, or with `any` for some.
  template <class Keep>
  std::vector<int> imagesWhere(bool any, Keep keep) const {
    std::vector<int> out;
    for (int image = first; image < first + count; ++image) {
      int kept = 0;
      for (int row = 0; row < task.specification.rowCount; ++row) kept += keep(rowAt(image, row));
      if (any ? kept > 0 : kept == task.specification.rowCount) out.push_back(image);
    }
    return out;
  }

  /// Calls prove(prover, group, places) for groups of the images and their places in the prover, boxes first
  /// tightened by their claims. Marks the images of a group that was cut short and of those behind it.
  template <class Prove>
  void eachGroup(const std::vector<int>& images, const std::vector<BoxClaim>& boxes,
                 std::vector<uint8_t>& timedOut, Prove prove) const {
    if (!model) return markAll(images, timedOut);
    if (own) {
      prove(own->prover(), std::span(images), images);
      if (stop()) markAll(images, timedOut);
      return;
    }
    std::vector<std::vector<const BoxClaim*>> boxesOf(count);
    for (const BoxClaim& box : boxes) {
      if (box.image >= first) boxesOf[box.image - first].push_back(&box);
    }
    for (size_t at = 0; at < images.size(); at += kFactsAtOnce) {
      const auto group = std::span(images).subspan(at, std::min(kFactsAtOnce, images.size() - at));
      const Region part = selected(task.region, group, model->input);
      proof::Prover prover(model->network, part, task.proof.arithmetic, task.pool, stop);
      Claims claims(*model, task.specification);
      for (size_t place = 0; place < group.size(); ++place) {
        for (const BoxClaim* box : boxesOf[group[place] - first])
          claims.addBox(static_cast<int>(place), *box);
      }
      prover.tighten(claims.all());
      std::vector<int> places(group.size());
      std::iota(places.begin(), places.end(), 0);
      prove(prover, group, places);
      if (stop()) return markAll(std::span(images).subspan(at), timedOut);
    }
  }

  void prove(BoundsResult& result) const;
  void prove(CompleteResult& result) const;
};

void Batch::prove(BoundsResult& result) const {
  const int rowCount = task.specification.rowCount;
  const auto begin = result.lower.begin() + rowAt(first, 0), end = begin + rowAt(count, 0);
  const std::vector<double> known(begin, end);
  const auto believed = [&](size_t at) { return known[at - rowAt(first, 0)]; };
  std::fill(begin, end, -kInfinity);
  if (!result.offset.empty())
    std::fill_n(result.offset.begin() + rowAt(first, 0), rowAt(count, 0), -kInfinity);
  const bool lambdas = model && !model->network.relus().empty();
  const bool byNorms = task.proof.byNorms;
  const auto has = [&](size_t at) {
    if (byNorms) return std::isfinite(believed(at));
    return at < result.multipliers.size() && (!lambdas || !result.multipliers[at].lambda.empty());
  };
  const bool decided = task.proof.decidedOnly;
  const std::vector<int> images =
      imagesWhere(!decided, [&](size_t at) { return has(at) && (!decided || believed(at) > 0); });
  eachGroup(images, result.boxes, result.timedOut,
            [&](const proof::Prover& prover, std::span<const int> group, const std::vector<int>& places) {
              Claims claims(*model, task.specification), affine(*model, task.specification);
              std::vector<size_t> rows;
              for (size_t place = 0; place < group.size(); ++place) {
                for (int row = 0; row < rowCount; ++row) {
                  const size_t at = rowAt(group[place], row);
                  if (!has(at)) continue;
                  rows.push_back(at);
                  const Multipliers& multipliers = byNorms ? kNone : result.multipliers[at];
                  const int position = places[place];
                  claims.addRow(position, group[place], row, &multipliers, {});
                  if (result.slope.empty()) continue;
                  affine.addRow(position, group[place], row, &multipliers, {});
                  affine.setSlope(result.slope.data() + at * model->input.size());
                }
              }
              std::vector<double> bounds =
                  byNorms ? ballBounds(prover, claims.all()) : prover.lowerBounds(claims.all());
              if (task.options.method == Method::weighted)
                raiseByWeights(model->network, prover, claims.all(), task.options, task.pool, stop, bounds);
              const std::vector<double> offsets = prover.lowerBounds(affine.all());
              for (size_t i = 0; i < rows.size(); ++i) {
                // Weights per neuron are not what was believed in.
                const bool cap = task.options.method != Method::weighted;
                result.lower[rows[i]] = cap ? std::min(believed(rows[i]), bounds[i]) : bounds[i];
                if (!offsets.empty()) result.offset[rows[i]] = offsets[i];
              }
            });
}

void Batch::prove(CompleteResult& result) const {
  const int rowCount = task.specification.rowCount;
  std::fill_n(result.lower.begin() + rowAt(first, 0), rowAt(count, 0), -kInfinity);
  const std::vector<int> images =
      imagesWhere(!task.proof.decidedOnly, [&](size_t at) { return !result.leaves[at].empty(); });
  eachGroup(images, result.boxes, result.timedOut,
            [&](const proof::Prover& prover, std::span<const int> group, const std::vector<int>& places) {
              for (size_t place = 0; place < group.size(); ++place) {
                for (int row = 0; row < rowCount; ++row) {
                  const size_t at = rowAt(group[place], row);
                  if (result.leaves[at].empty() || stop()) continue;
                  Claims claims(*model, task.specification);
                  for (const Leaf& leaf : result.leaves[at]) {
                    claims.addRow(places[place], group[place], row, &leaf.multipliers, leaf.splits);
                  }
                  const std::vector<double> bounds = prover.lowerBounds(claims.all());
                  std::vector<const std::vector<proof::Split>*> tree;
                  for (const proof::Claim& claim : claims.all()) tree.push_back(&claim.splits);
                  if (!proof::covers(tree)) continue;
                  result.lower[at] = *std::min_element(bounds.begin(), bounds.end());
                }
              }
            });
}

/// CROWN, which the prover computes itself; no float32 number is in it but the slopes returned.
BoundsResult provenCrown(const ProvenBounds& task) {
  const StopCheck stop = withTimeLimit(task.stop, task.options.timeLimit);
  const int count = task.region.count, rowCount = task.specification.rowCount;
  const size_t total = static_cast<size_t>(count) * rowCount;
  BoundsResult result;
  result.lower.assign(total, -kInfinity);
  result.iterations.assign(total, 0);
  result.timedOut.assign(count, 1);
  const size_t inputs = task.prepared.network.inputSize();
  if (task.options.coefficients) {
    result.slope.assign(total * inputs, 0);
    result.offset.assign(total, -kInfinity);
  }
  const std::optional<ProofModel> model = task.model(stop);
  if (!model) return result;
  std::vector<int> images(count);
  std::iota(images.begin(), images.end(), 0);
  std::vector<float> slope(kFactsAtOnce * rowCount * inputs);
  for (size_t first = 0; first < images.size() && !stop(); first += kFactsAtOnce) {
    const auto group = std::span(images).subspan(first, std::min(kFactsAtOnce, images.size() - first));
    proof::Prover prover(model->network, selected(task.region, group, model->input), task.proof.arithmetic,
                         task.pool, stop);
    if (task.options.boxes == BoxSource::crown) prover.tightenByCrown();
    Claims claims(*model, task.specification);
    for (size_t place = 0; place < group.size(); ++place) {
      for (int row = 0; row < rowCount; ++row)
        claims.addRow(static_cast<int>(place), group[place], row, nullptr, {});
    }
    const size_t base = first * rowCount;
    std::vector<proof::AffineRow> affine;
    for (size_t i = 0; task.options.coefficients && i < claims.all().size(); ++i)
      affine.push_back({slope.data() + i * inputs, &result.offset[base + i]});
    const std::vector<double> bounds = prover.crownBounds(claims.all(), affine);
    std::copy(bounds.begin(), bounds.end(), result.lower.begin() + base);
    for (size_t i = 0; i < affine.size(); ++i) {
      for (size_t j = 0; j < inputs; ++j)
        result.slope[(base + i) * inputs + model->input[j]] = affine[i].slope[j];
    }
    if (stop()) break;
    for (const int image : group) result.timedOut[image] = 0;
    if (task.progress) task.progress(static_cast<long>(base + bounds.size()), static_cast<long>(total));
  }
  return result;
}

/// Runs run(options, settled), which reports batches to `settled`, each of which is proven at once; what it
/// says of images that it does not report is not believed.
template <class Result, class Run>
Result provenBatches(const ProvenBounds& task, Run run) {
  const StopCheck stop = withTimeLimit(task.stop, task.options.timeLimit);
  BoundsOptions options = task.options;
  options.timeLimit *= 1 - kProofShare;
  std::optional<ProofModel> model;
  const auto makeModel = [&] {
    if (model) return;
    if (const auto made = task.model(stop)) model.emplace(*made);
  };
  std::optional<OwnBoxes> own;
  if (makesOwnBoxes(task)) {
    using Clock = std::chrono::steady_clock;
    const auto begin = Clock::now();
    makeModel();
    if (model) {
      own.emplace(task, *model, stop);
      // The engine's time is what that leaves of it; 0 would be no limit.
      const double taken = std::chrono::duration<double>(Clock::now() - begin).count();
      if (options.timeLimit > 0) options.timeLimit = std::max(1e-3, options.timeLimit - taken);
      options.boxSupply = [&](Images& images, int first) { own->supply(images, first); };
    }
  }
  int proven = 0;
  Result result = run(options, [&](int first, int count, Result& part) {
    makeModel();
    Batch{task, model, own, stop, first, count}.prove(part);
    proven = first + count;
  });
  std::fill(result.lower.begin() + static_cast<ptrdiff_t>(proven) * task.specification.rowCount,
            result.lower.end(), -kInfinity);
  return result;
}

}  // namespace

double headroomFor(const std::optional<ProofOptions>& options) {
  // Measured on the published networks: 2e-6 of the margin is float32 rounding of the engine, up to 2e-2 what
  // float32 inference may be off by. Rows that end below are still proven if they can be.
  if (!options) return 0;
  return options->arithmetic == proof::Arithmetic::real ? 1e-5 : 3e-2;
}

bool provesItself(const BoundsOptions& options, const ProofOptions& proof) {
  return options.method == Method::crown && options.boxes != BoxSource::optimised && !options.multipliers &&
         !proof.decidedOnly;
}

BoundsResult ProvenBounds::compute() const {
  if (provesItself(options, proof)) return provenCrown(*this);
  return provenBatches<BoundsResult>(
      *this, [&](const BoundsOptions& part, const Settled<BoundsResult>& each) {
        return computeBounds(prepared, region, specification, part, workers, stop, progress, each);
      });
}

CompleteResult ProvenBounds::search(const SearchOptions& search) const {
  return provenBatches<CompleteResult>(
      *this, [&](const BoundsOptions& part, const Settled<CompleteResult>& each) {
        return completeBounds(prepared, region, specification, part, search, workers, stop, progress, each);
      });
}

}  // namespace bulwark
