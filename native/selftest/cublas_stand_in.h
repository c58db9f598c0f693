// What stands for cuBLAS where it is not: it knows no more than the library's definition, and refuses what
// would cost more than speed there.
#pragma once

#include "kernels/cuda/cublas.h"

namespace bulwark::BULWARK_CUDA {

/// Products in an order of sums that depends on how many are asked for at once, as the library's may. A
/// product is an error (status 14) without memory to work in since the stream was set, or in any but pedantic
/// mode.
CublasFunctions cublasStandIn();

/// Of the stand-in so far: handles that were made, and products that were asked for.
long cublasStandInHandles();
long cublasStandInProducts();

}  // namespace bulwark::BULWARK_CUDA
