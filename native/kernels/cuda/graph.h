// A stretch of work that the device takes as one.
#pragma once

#include <functional>
#include <memory>

#include "kernels/cuda/stream.h"

namespace bulwark::BULWARK_CUDA {

/// As Backend::record, of what `calls` queue on the stream. Throws DeviceError where the driver fails.
std::unique_ptr<Recording> recordGraph(const std::shared_ptr<Stream>& stream,
                                       const std::function<void()>& calls);

}  // namespace bulwark::BULWARK_CUDA
