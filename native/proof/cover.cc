#include "proof/cover.h"

namespace bulwark::proof {
namespace {

/// Leaves that agree in their first `depth` splits, as a cover of what those leave.
bool coversBelow(const std::vector<const std::vector<Split>*>& leaves, size_t depth) {
  if (leaves.empty()) return false;
  for (const auto* splits : leaves) {
    if (splits->size() == depth) return leaves.size() == 1;
  }
  const Split& first = (*leaves[0])[depth];
  std::vector<const std::vector<Split>*> sides[2];
  for (const auto* splits : leaves) {
    const Split& split = (*splits)[depth];
    if (split.relu != first.relu || split.feature != first.feature) return false;
    sides[split.positive].push_back(splits);
  }
  return coversBelow(sides[0], depth + 1) && coversBelow(sides[1], depth + 1);
}

}  // namespace

bool covers(const std::vector<const std::vector<Split>*>& leaves) { return coversBelow(leaves, 0); }

}  // namespace bulwark::proof
