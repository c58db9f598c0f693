#include "verdict/proven.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "proof/cover.h"

namespace bulwark {

namespace {

/// Images whose facts are held at once.
constexpr size_t kImagesAtOnce = 32;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

void appendReordered(const std::vector<double>& from, size_t base, const std::vector<int32_t>& order,
                     std::vector<double>& into) {
  for (int32_t position : order) into.push_back(from[base + position]);
}

/// Some images of a region, in the proof network's order.
Region selected(const Region& region, std::span<const int> images, const std::vector<int32_t>& order) {
  const int count = static_cast<int>(images.size());
  Region out{.kind = region.kind, .count = count, .center = {}, .eps = {}, .lower = {}, .upper = {}};
  for (const int image : images) {
    const size_t base = static_cast<size_t>(image) * order.size();
    appendReordered(region.center, base, order, out.center);
    if (!region.eps.empty()) out.eps.push_back(region.eps[image]);
    if (region.lower.empty()) continue;
    appendReordered(region.lower, base, order, out.lower);
    appendReordered(region.upper, base, order, out.upper);
  }
  return out;
}

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
  void addRow(int place, int image, int row, const Multipliers& multipliers,
              const std::vector<Split>& splits) {
    const int outputs = static_cast<int>(model_.output.size());
    const double* c = specification_.row(image, row, outputs);
    proof::Claim claim;
    claim.image = place;
    for (int32_t position : model_.output) claim.row.push_back(c[position]);
    claim.constant = specification_.constant(image, row);
    claim.splits = converted(splits);
    claim.multipliers = &multipliers;
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

/// Calls prove(prover, group) for groups of the images, boxes first tightened by their claims.
template <class Prove>
void eachGroup(const ProofModel& model, const Region& region, const std::vector<int>& images,
               const Specification& specification, const std::vector<BoxClaim>& boxes,
               proof::Arithmetic arithmetic, ThreadPool& pool, const StopCheck& stop, Prove prove) {
  for (size_t first = 0; first < images.size(); first += kImagesAtOnce) {
    if (stop()) return;
    const auto group = std::span(images).subspan(first, std::min(kImagesAtOnce, images.size() - first));
    const Region part = selected(region, group, model.input);
    proof::Prover prover(model.network, part, arithmetic, pool);
    Claims claims(model, specification);
    for (const BoxClaim& box : boxes) {
      const auto at = std::lower_bound(group.begin(), group.end(), box.image);
      if (at == group.end() || *at != box.image) continue;
      claims.addBox(static_cast<int>(at - group.begin()), box);
    }
    prover.tighten(claims.all());
    if (stop()) return;
    prove(prover, group);
  }
}

/// Images, in ascending order, for which keep(row) holds for all rows, or with `any` for some.
template <class Keep>
std::vector<int> imagesWhere(int images, int rowCount, bool any, Keep keep) {
  std::vector<int> out;
  for (int image = 0; image < images; ++image) {
    int kept = 0;
    for (int row = 0; row < rowCount; ++row) kept += keep(static_cast<size_t>(image) * rowCount + row);
    if (any ? kept > 0 : kept == rowCount) out.push_back(image);
  }
  return out;
}

}  // namespace

double headroomFor(const std::optional<ProofOptions>& options) {
  // Measured on the published networks: 2e-6 of the margin is float32 rounding of the engine, up to 2e-2 what
  // float32 inference may be off by. Rows that end below are still proven if they can be.
  if (!options) return 0;
  return options->arithmetic == proof::Arithmetic::real ? 1e-5 : 3e-2;
}

void prove(const ProofModel& model, const Region& region, const Specification& specification,
           const ProofOptions& options, ThreadPool& pool, const StopCheck& stop, BoundsResult& result) {
  const int rowCount = specification.rowCount;
  const std::vector<double> believed = result.lower;
  std::fill(result.lower.begin(), result.lower.end(), -kInfinity);
  std::fill(result.offset.begin(), result.offset.end(), -kInfinity);
  const bool lambdas = !model.network.relus().empty();
  const auto has = [&](size_t at) {
    if (options.byNorms) return std::isfinite(believed[at]);
    return at < result.multipliers.size() && (!lambdas || !result.multipliers[at].lambda.empty());
  };
  const std::vector<int> images = imagesWhere(region.count, rowCount, !options.decidedOnly, [&](size_t at) {
    return has(at) && (!options.decidedOnly || believed[at] > 0);
  });
  eachGroup(model, region, images, specification, result.boxes, options.arithmetic, pool, stop,
            [&](const proof::Prover& prover, std::span<const int> group) {
              Claims claims(model, specification), affine(model, specification);
              std::vector<size_t> rows;
              for (size_t place = 0; place < group.size(); ++place) {
                for (int row = 0; row < rowCount; ++row) {
                  const size_t at = static_cast<size_t>(group[place]) * rowCount + row;
                  if (!has(at)) continue;
                  rows.push_back(at);
                  const Multipliers& multipliers = options.byNorms ? kNone : result.multipliers[at];
                  const int position = static_cast<int>(place);
                  claims.addRow(position, group[place], row, multipliers, {});
                  if (result.slope.empty()) continue;
                  affine.addRow(position, group[place], row, multipliers, {});
                  affine.setSlope(result.slope.data() + at * model.input.size());
                }
              }
              const std::vector<double> bounds =
                  options.byNorms ? ballBounds(prover, claims.all()) : prover.lowerBounds(claims.all());
              const std::vector<double> offsets = prover.lowerBounds(affine.all());
              for (size_t i = 0; i < rows.size(); ++i) {
                result.lower[rows[i]] = std::min(believed[rows[i]], bounds[i]);
                if (!offsets.empty()) result.offset[rows[i]] = offsets[i];
              }
            });
}

void prove(const ProofModel& model, const Region& region, const Specification& specification,
           const ProofOptions& options, ThreadPool& pool, const StopCheck& stop, CompleteResult& result) {
  const int rowCount = specification.rowCount;
  std::fill(result.lower.begin(), result.lower.end(), -kInfinity);
  const std::vector<int> images = imagesWhere(region.count, rowCount, !options.decidedOnly,
                                              [&](size_t at) { return !result.leaves[at].empty(); });
  eachGroup(model, region, images, specification, result.boxes, options.arithmetic, pool, stop,
            [&](const proof::Prover& prover, std::span<const int> group) {
              for (size_t place = 0; place < group.size(); ++place) {
                for (int row = 0; row < rowCount; ++row) {
                  const size_t at = static_cast<size_t>(group[place]) * rowCount + row;
                  if (result.leaves[at].empty() || stop()) continue;
                  Claims claims(model, specification);
                  for (const Leaf& leaf : result.leaves[at]) {
                    claims.addRow(static_cast<int>(place), group[place], row, leaf.multipliers, leaf.splits);
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

}  // namespace bulwark
