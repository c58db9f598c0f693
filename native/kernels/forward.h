// The network as a function, on a batch.
#pragma once

#include <span>

#include "kernels/planned.h"

namespace bulwark {

/// Fills value[id], one view per node and all of as many blocks, from value[0] on.
void runForward(const Network& network, const Plans& plans, Backend& backend, std::span<const View> value);

}  // namespace bulwark
