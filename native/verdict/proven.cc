#include "verdict/proven.h"

#include <algorithm>
#include <limits>

namespace bulwark {

namespace {

/// Images whose facts are held at once.
constexpr int kImagesAtOnce = 32;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

void appendReordered(const std::vector<double>& from, size_t base, const std::vector<int32_t>& order,
                     std::vector<double>& into) {
  for (int32_t position : order) into.push_back(from[base + position]);
}

/// Images [first, first + count) of a region, in the proof network's order.
Region slice(const Region& region, int first, int count, const std::vector<int32_t>& order) {
  Region out{.kind = region.kind, .count = count, .center = {}, .eps = {}, .lower = {}, .upper = {}};
  for (int image = first; image < first + count; ++image) {
    const size_t base = static_cast<size_t>(image) * order.size();
    appendReordered(region.center, base, order, out.center);
    if (!region.eps.empty()) out.eps.push_back(region.eps[image]);
    if (region.lower.empty()) continue;
    appendReordered(region.lower, base, order, out.lower);
    appendReordered(region.upper, base, order, out.upper);
  }
  return out;
}

proof::Multipliers converted(const Multipliers& given) {
  return {.slope = given.slope, .lambda = given.lambda, .inputLambda = given.inputLambda};
}

/// The claims of a group of images, with the multipliers they point to.
class Claims {
 public:
  Claims(const ProofModel& model, const Specification& specification, int first)
      : model_(model), specification_(specification), first_(first) {}

  void addRow(int image, int row, const Multipliers& multipliers, const std::vector<Split>& splits) {
    const int outputs = static_cast<int>(model_.output.size());
    const double* c = specification_.row(image, row, outputs);
    proof::Claim claim;
    claim.image = image - first_;
    for (int32_t position : model_.output) claim.row.push_back(c[position]);
    claim.constant = specification_.constant(image, row);
    for (const Split& split : splits) claim.splits.push_back({split.relu, split.feature, split.active});
    add(std::move(claim), multipliers);
  }

  void addBox(const BoxClaim& box) {
    proof::Claim claim;
    claim.image = box.image - first_;
    claim.target = box.relu;
    claim.feature = box.feature;
    claim.sign = box.sign;
    add(std::move(claim), box.multipliers);
  }

  const std::vector<proof::Claim>& all() {
    for (size_t i = 0; i < claims_.size(); ++i) claims_[i].multipliers = &multipliers_[i];
    return claims_;
  }

 private:
  void add(proof::Claim claim, const Multipliers& multipliers) {
    claims_.push_back(std::move(claim));
    multipliers_.push_back(converted(multipliers));
  }

  const ProofModel& model_;
  const Specification& specification_;
  const int first_;
  std::vector<proof::Claim> claims_;
  std::vector<proof::Multipliers> multipliers_;
};

/// Calls prove(prover, first, count) for groups of images, boxes first tightened by their claims.
template <class Prove>
void eachGroup(const ProofModel& model, const Region& region, const Specification& specification,
               const std::vector<BoxClaim>& boxes, proof::Arithmetic arithmetic, ThreadPool& pool,
               const StopCheck& stop, Prove prove) {
  for (int first = 0; first < region.count; first += kImagesAtOnce) {
    if (stop()) return;
    const int count = std::min(kImagesAtOnce, region.count - first);
    const Region group = slice(region, first, count, model.input);
    proof::Prover prover(model.network, group, arithmetic, pool);
    Claims claims(model, specification, first);
    for (const BoxClaim& box : boxes) {
      if (box.image >= first && box.image < first + count) claims.addBox(box);
    }
    prover.tighten(claims.all());
    if (stop()) return;
    prove(prover, first, count);
  }
}

}  // namespace

double headroomFor(const std::optional<proof::Arithmetic>& arithmetic) {
  // Measured on the published networks: 2e-6 of the margin is float32 rounding of the engine, up to 2e-2 what
  // float32 inference may be off by. Rows that end below are still proven if they can be.
  if (!arithmetic) return 0;
  return *arithmetic == proof::Arithmetic::real ? 1e-5 : 3e-2;
}

void prove(const ProofModel& model, const Region& region, const Specification& specification,
           proof::Arithmetic arithmetic, ThreadPool& pool, const StopCheck& stop, BoundsResult& result) {
  const int rowCount = specification.rowCount;
  const std::vector<double> believed = result.lower;
  std::fill(result.lower.begin(), result.lower.end(), -kInfinity);
  eachGroup(model, region, specification, result.boxes, arithmetic, pool, stop,
            [&](const proof::Prover& prover, int first, int count) {
              Claims claims(model, specification, first);
              std::vector<size_t> rows;
              for (size_t at = static_cast<size_t>(first) * rowCount;
                   at < static_cast<size_t>(first + count) * rowCount && at < result.multipliers.size();
                   ++at) {
                if (result.multipliers[at].lambda.empty() && !model.network.relus().empty()) continue;
                rows.push_back(at);
                claims.addRow(static_cast<int>(at / rowCount), static_cast<int>(at % rowCount),
                              result.multipliers[at], {});
              }
              const std::vector<double> bounds = prover.lowerBounds(claims.all());
              for (size_t i = 0; i < rows.size(); ++i) {
                result.lower[rows[i]] = std::min(believed[rows[i]], bounds[i]);
              }
            });
}

void prove(const ProofModel& model, const Region& region, const Specification& specification,
           proof::Arithmetic arithmetic, ThreadPool& pool, const StopCheck& stop, CompleteResult& result) {
  const int rowCount = specification.rowCount;
  std::fill(result.lower.begin(), result.lower.end(), -kInfinity);
  eachGroup(model, region, specification, result.boxes, arithmetic, pool, stop,
            [&](const proof::Prover& prover, int first, int count) {
              for (size_t at = static_cast<size_t>(first) * rowCount;
                   at < static_cast<size_t>(first + count) * rowCount; ++at) {
                if (result.leaves[at].empty() || stop()) continue;
                Claims claims(model, specification, first);
                for (const Leaf& leaf : result.leaves[at]) {
                  claims.addRow(static_cast<int>(at / rowCount), static_cast<int>(at % rowCount),
                                leaf.multipliers, leaf.splits);
                }
                const std::vector<double> bounds = prover.lowerBounds(claims.all());
                result.lower[at] = *std::min_element(bounds.begin(), bounds.end());
              }
            });
}

}  // namespace bulwark
