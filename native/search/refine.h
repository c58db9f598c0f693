// Boxes by branch and bound: each bound of an unstable neuron is a row of its own, worth a small tree of
// splits. Boxes feed on the boxes before them, so what a layer gains the next ones gain again.
#pragma once

#include "bounds/boxes.h"
#include "search/search.h"

namespace bulwark {

class TreeRefiner final : public BoxRefiner {
 public:
  /// `search.boxSubproblems` for each layer of an image, shared evenly, and leaves as it says.
  TreeRefiner(int images, Workers& workers, const DualPreset& preset, const SearchOptions& search,
              const StopCheck& stop);

  void refine(const Images& images, int node, const NeuronRows& source, RowResults& results,
              std::vector<std::vector<Leaf>>& leaves) override;

  /// Bounded so far, by image.
  const std::vector<long>& bounded() const { return bounded_; }

 private:
  void grow(const Images& images, int node, const NeuronRows& source, const std::vector<long>& which,
            RowResults& results, std::vector<std::vector<Leaf>>& leaves);

  Workers& workers_;
  const DualPreset preset_;
  const long subproblems_;
  SearchOptions tree_;
  std::vector<long> bounded_;
  const StopCheck& stop_;
};

}  // namespace bulwark
