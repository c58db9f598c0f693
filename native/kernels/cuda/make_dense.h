#pragma once

#include <memory>

#include "kernels/cuda/stream.h"
#include "kernels/dense.h"

namespace bulwark::BULWARK_CUDA {

/// Training's arithmetic with a stream of its own.
std::unique_ptr<Dense> makeDense(const std::shared_ptr<Memory>& memory);

}  // namespace bulwark::BULWARK_CUDA
