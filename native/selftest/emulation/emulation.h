// Runs the CUDA kernels on the host: what the self-test sees of the emulation.
#pragma once

#include <memory>

#include "kernels/device.h"

namespace bulwark {

namespace cuda_emulated {
/// As in kernels/cuda.h, of the emulated device.
std::shared_ptr<Device> openDevice(size_t budget, size_t grain, bool graphs);
double multiplyAddCeiling(int blocks, int steps);
/// As withCublas in kernels/cuda.h, with a stand-in for the library.
std::shared_ptr<Device> withCublasStandIn(const std::shared_ptr<Device>& device);
}  // namespace cuda_emulated

namespace emulation {
/// Whether all memory around the device's allocations is as it was: false after a write out of bounds.
bool guardsIntact();
/// How often the host waited for a stream so far.
long waits();
/// Kernels that the host launched one by one so far, and graphs.
long launches();
long graphLaunches();
}  // namespace emulation

}  // namespace bulwark
