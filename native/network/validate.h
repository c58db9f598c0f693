// Checks that a graph is what its type promises, so that the lowering can index without looking.
#pragma once

#include <vector>

#include "network/graph.h"

namespace bulwark {

/// Throws std::invalid_argument naming the node, what was given and what was expected: topological
/// order, number of inputs, shapes (both), features in all, sizes of weights, ranges of indices, finite
/// weights.
void validate(const std::vector<graph::Node>& nodes);

/// Number of features of a checked shape.
int featureCount(const std::vector<int>& shape);

}  // namespace bulwark
