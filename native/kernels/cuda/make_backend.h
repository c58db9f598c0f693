#pragma once

#include <memory>
#include <string>

#include "kernels/cuda/cublas.h"

namespace bulwark::BULWARK_CUDA {

/// A backend with a stream of its own. `graphs`: it records calls. `library`: what makes its dense products;
/// null: its own kernels.
std::unique_ptr<Backend> makeBackend(const std::string& name, const std::shared_ptr<Memory>& memory,
                                     bool graphs, const std::shared_ptr<CublasHandles>& library);

}  // namespace bulwark::BULWARK_CUDA
