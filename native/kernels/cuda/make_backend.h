#pragma once

#include <memory>
#include <string>

#include "kernels/cuda/stream.h"

namespace bulwark::BULWARK_CUDA {

/// A backend with a stream of its own. `graphs`: it records calls.
std::unique_ptr<Backend> makeBackend(const std::string& name, const std::shared_ptr<Memory>& memory,
                                     bool graphs);

}  // namespace bulwark::BULWARK_CUDA
