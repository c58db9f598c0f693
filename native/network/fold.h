// Composition of neighbouring affine operators, and the graph pass that applies it. Fewer operators mean
// fewer kernel calls, and tighter norms: the norm of a product is at most the product of the norms.
#pragma once

#include <optional>

#include "network/network.h"

namespace bulwark {

/// `second` after `first` as one operator, or nothing where one operator cannot express it or would do
/// more work than the two.
std::optional<Affine> compose(const Affine& first, const Affine& second);

/// True for a scale by one without shift and for an index that moves nothing.
bool isIdentity(const Affine&);

/// Removes identities and repeated ReLUs, turns x + x into a scale, and drops what the output does not need.
/// No weight is rounded.
Network simplify(Network network);

/// Folds affine operators into their only consumer, in a network that `simplify` made, and removes what then
/// is an identity. No ReLU is removed: folding rounds, so what looks like a repeated ReLU now may not be one.
Network fold(Network network);

}  // namespace bulwark
