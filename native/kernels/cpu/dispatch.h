#pragma once

#include "kernels/cpu/kernel_table.h"

namespace bulwark {

/// The kernels of the named instruction set, or of the best one this machine runs (null). Throws
/// std::invalid_argument for a name that is unknown or that this machine cannot run.
const KernelTable& chooseKernels(const char* instructionSet);

}  // namespace bulwark
