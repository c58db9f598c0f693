// How batches lie on the device: a block holds as many rows as a warp has lanes, so a warp that works on one
// feature of one block touches 32 neighbouring floats, and what differs between rows differs between lanes.
#pragma once

#include "kernels/backend.h"
#include "kernels/cuda.h"

namespace bulwark::BULWARK_CUDA {

inline constexpr int kLanes = 32;

inline size_t blockFloats(View view) { return static_cast<size_t>(view.features) * kLanes; }
inline size_t viewFloats(View view) { return blockFloats(view) * view.blocks; }
inline int rowCount(Rows rows) { return rows.blocks * kLanes; }

inline int divideUp(size_t count, size_t by) { return static_cast<int>((count + by - 1) / by); }

}  // namespace bulwark::BULWARK_CUDA
