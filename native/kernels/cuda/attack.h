#pragma once

#include "kernels/cuda/stream.h"

namespace bulwark::BULWARK_CUDA {

void keepBest(Stream& stream, Rows value, View x, Rows best, View kept);
void descend(Stream& stream, const InputRegion& region, View gradient, float step, View dx);

}  // namespace bulwark::BULWARK_CUDA
