#pragma once

#include "kernels/cuda/stream.h"

namespace bulwark::BULWARK_CUDA {

void noise(Stream& stream, const NoiseStream& numbers, const float* center, float sigma, View out);

}  // namespace bulwark::BULWARK_CUDA
