#pragma once

#include "kernels/cuda/stream.h"

namespace bulwark::BULWARK_CUDA {

void norm2(Stream& stream, View in, Rows out);
void dot(Stream& stream, View a, View b, Rows value);
void inputDual(Stream& stream, const InputRegion& region, View a, int steps, View dx, Sums value);

}  // namespace bulwark::BULWARK_CUDA
