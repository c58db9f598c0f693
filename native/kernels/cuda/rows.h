#pragma once

#include <cstdint>

#include "kernels/cuda/stream.h"

namespace bulwark::BULWARK_CUDA {

// Host arrays are read before these return.

/// Rows [count][features] of the host <-> lanes; packed rows past `count` are zero. `unpack` waits.
void pack(Stream& stream, const float* rows, int count, View out);
void unpack(Stream& stream, View in, float* rows, int count);
void readRow(Stream& stream, View in, int row, float* host);
void writeRow(Stream& stream, const float* host, int row, View out);
void put(Stream& stream, float value, int feature, int row, View out);
void pin(Stream& stream, View zhat, int feature, int row, View bound);
void gather(Stream& stream, View in, const int32_t* source, View out);
void select(Stream& stream, Rows which, View in, View out);
void units(Stream& stream, const int32_t* feature, const float* sign, View out);

}  // namespace bulwark::BULWARK_CUDA
