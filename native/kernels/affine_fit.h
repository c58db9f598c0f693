// Every device refuses an affine operator's views in the same words.
#pragma once

#include <stdexcept>
#include <string>

#include "kernels/backend.h"

namespace bulwark {

/// Throws std::invalid_argument unless an operator of `inputs` -> `outputs` features takes `in` to `out`.
inline void requireFit(int inputs, int outputs, Pass pass, View in, View out) {
  const bool adjoint = pass == Pass::adjoint;
  if (in.features == (adjoint ? outputs : inputs) && out.features == (adjoint ? inputs : outputs) &&
      in.blocks == out.blocks)
    return;
  throw std::invalid_argument("affine apply: operator " + std::to_string(inputs) + " -> " +
                              std::to_string(outputs) + (adjoint ? " (adjoint)" : "") + " given " +
                              std::to_string(in.features) + " -> " + std::to_string(out.features) +
                              " features, " + std::to_string(in.blocks) + " -> " +
                              std::to_string(out.blocks) + " blocks");
}

/// Throws std::invalid_argument unless `y` has the `outputs` features of a bias.
inline void requireBiasFit(int outputs, View y) {
  if (y.features != outputs)
    throw std::invalid_argument("addBias: bias has " + std::to_string(outputs) + " features, the view " +
                                std::to_string(y.features));
}

}  // namespace bulwark
