#include "proof/sub_box.h"

#include <algorithm>

namespace bulwark::proof {

SubBox::SubBox(const ProofNetwork& network, const KernelTable& kernels)
    : network_(network), live_(network), walk_(network, kernels, buffers_) {}

void SubBox::bound(const ImageFacts& facts, std::span<const double> lower, std::span<const double> upper,
                   std::span<Sign> signs, std::span<const Claim> claims, double* bounds, double* slopes,
                   double* offsets) {
  part_ = facts.input();
  // Of all of the box, the facts say what walks would.
  const bool whole = std::equal(lower.begin(), lower.end(), part_.lower.begin(), part_.lower.end()) &&
                     std::equal(upper.begin(), upper.end(), part_.upper.begin(), part_.upper.end());
  part_.lower.assign(lower.begin(), lower.end());
  part_.upper.assign(upper.begin(), upper.end());
  live_.begin(facts);
  walk_.begin(live_, part_);
  for (int relu = 0; relu < static_cast<int>(network_.relus().size()); ++relu) {
    const int node = network_.targetNode(relu);
    const auto size = static_cast<size_t>(network_.size(node));
    tighten(facts.at(node), relu, signs.first(size), !whole);
    signs = signs.subspan(size);
  }
  for (size_t first = 0; first < claims.size(); first += walk_.together()) {
    const size_t count = std::min(walk_.together(), claims.size() - first);
    walk_.affineRows(claims.subspan(first, count), bounds + first, slopes + first * lower.size(),
                     offsets + first);
  }
}

void SubBox::tighten(const NodeFacts& known, int relu, std::span<Sign> signs, bool walks) {
  lower_ = known.lower;
  upper_ = known.upper;
  open_.clear();
  for (size_t i = 0; i < signs.size(); ++i) {
    if (walks && signs[i] == Sign::open) open_.push_back(static_cast<int32_t>(i));
  }
  ends_.resize(2 * open_.size());
  double *low = ends_.data(), *high = low + open_.size();
  walk_.neurons(relu, open_, low, high);
  for (const int32_t i : open_) {
    lower_[i] = std::max(lower_[i], *low++);
    upper_[i] = std::min(upper_[i], *high++);
  }
  for (size_t i = 0; i < signs.size(); ++i) {
    if (signs[i] == Sign::open && lower_[i] >= 0) signs[i] = Sign::positive;
    if (signs[i] == Sign::open && upper_[i] <= 0) signs[i] = Sign::negative;
    if (signs[i] == Sign::positive)
      lower_[i] = std::max(lower_[i], 0.0), upper_[i] = std::max(upper_[i], 1.0);
    if (signs[i] == Sign::negative) upper_[i] = std::min(upper_[i], 0.0);
  }
  live_.set(relu, lower_, upper_);
}

}  // namespace bulwark::proof
