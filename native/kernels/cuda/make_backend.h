#pragma once

#include <memory>
#include <string>

#include "kernels/cuda/stream.h"

namespace bulwark::BULWARK_CUDA {

/// A backend with a stream of its own.
std::unique_ptr<Backend> makeBackend(const std::string& name, const std::shared_ptr<Memory>& memory);

}  // namespace bulwark::BULWARK_CUDA
