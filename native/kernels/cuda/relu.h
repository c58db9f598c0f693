#pragma once

#include <cstdint>

#include "kernels/cuda/stream.h"

namespace bulwark::BULWARK_CUDA {

void reluDual(Stream& stream, const ReluLayer& layer, View c, const uint8_t* fresh, View v, View dz,
              Sums value, Rows distance2);
void reluAscend(Stream& stream, const ReluLayer& layer, View y, View dz, View c, const Adam& adam);
void slopes(Stream& stream, const ReluLayer& layer, View c, View out);
void losses(Stream& stream, const ReluLayer& layer, View y, View dz, View c, View out);

}  // namespace bulwark::BULWARK_CUDA
