// What a build without CUDA says of GPUs.
#include "kernels/cuda.h"

namespace bulwark::BULWARK_CUDA {

DeviceList devices() { return {{}, "this build of bulwark has no CUDA kernels"}; }

std::shared_ptr<Device> openDevice(size_t, size_t) {
  throw DeviceError("no CUDA device: " + devices().reason);
}

double multiplyAddCeiling(int, int) { throw DeviceError("no CUDA device: " + devices().reason); }

}  // namespace bulwark::BULWARK_CUDA
