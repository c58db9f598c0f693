#include "proof/split_boxes.h"

#include <algorithm>

namespace bulwark::proof {

std::vector<SplitBox> splitBoxes(const std::array<const Claim*, kLanes>& claims, const LaneImages& images,
                                 int relu, int pre, bool* vacuous) {
  std::vector<SplitBox> boxes;
  for (int lane = 0; lane < kLanes; ++lane) {
    for (const Split& split : claims[lane]->splits) {
      if (split.relu != relu) continue;
      auto box = std::find_if(boxes.begin(), boxes.end(),
                              [&](const SplitBox& each) { return each.feature == split.feature; });
      if (box == boxes.end()) {
        SplitBox whole{split.feature, {}, {}};
        for (int each = 0; each < kLanes; ++each) {
          whole.lower[each] = images[each].at(pre).lower[split.feature];
          whole.upper[each] = images[each].at(pre).upper[split.feature];
        }
        box = boxes.insert(box, whole);
      }
      double &l = box->lower[lane], &u = box->upper[lane];
      if (split.positive) {
        l = std::max(l, 0.0);
      } else {
        u = std::min(u, 0.0);
      }
      if (l > u) {
        vacuous[lane] = true;
        l = u = 0;
      }
    }
  }
  std::sort(boxes.begin(), boxes.end(),
            [](const SplitBox& a, const SplitBox& b) { return a.feature < b.feature; });
  return boxes;
}

}  // namespace bulwark::proof
