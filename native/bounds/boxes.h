// Better pre-activation boxes: the dual itself, with one unstable neuron as the row.
#pragma once

#include <memory>

#include "bounds/ascent.h"
#include "bounds/images.h"
#include "bounds/options.h"
#include "bounds/workers.h"

namespace bulwark {

/// Makes more of bounds on a layer's neurons before they become boxes.
class BoxRefiner {
 public:
  virtual ~BoxRefiner() = default;
  /// Raises `results.lower` of rows of `source` on `node`; a row that gets `leaves` is proven by them.
  virtual void refine(const Images& images, int node, const NeuronRows& source, RowResults& results,
                      std::vector<std::vector<Leaf>>& leaves) = 0;
};

/// Images [first, first + count) of the region with their nominal run and boxes as the options ask; null
/// where the stop check fired before they were there.
std::unique_ptr<Images> boxedImages(const Prepared& prepared, const Region& region, int first, int count,
                                    const BoundsOptions& options, Workers& workers, const StopCheck& stop,
                                    BoxRefiner* refiner = nullptr);

/// Moves the images' box claims to the end of `into`, their images counted in the region.
void moveClaims(Images& images, int first, std::vector<BoxClaim>& into);

/// Tightens the boxes of all pre-activations of `images`, first layers first, each followed by interval
/// steps through the layers behind it. `source` crown: one evaluation from CROWN's slopes; optimised:
/// `options.boxIterations` ascent steps, less where a neuron's sign is settled earlier.
void tightenBoxes(Images& images, Workers& workers, const BoundsOptions& options, const StopCheck& stop,
                  BoxRefiner* refiner = nullptr);

}  // namespace bulwark
