// What a build without CUDA says of GPUs.
#include "kernels/cuda.h"

namespace bulwark::BULWARK_CUDA {

DeviceList devices() { return {{}, "this build of bulwark has no CUDA kernels"}; }

std::shared_ptr<Device> openDevice(size_t, size_t, bool) {
  throw DeviceError("no CUDA device: " + devices().reason);
}

std::shared_ptr<Device> withCublas(const std::shared_ptr<Device>&, const std::string&) {
  throw DeviceError("no CUDA device: " + devices().reason);
}

ProductTime cublasProduct(int, int, int, bool) { return {0, devices().reason}; }

double multiplyAddCeiling(int, int) { throw DeviceError("no CUDA device: " + devices().reason); }

}  // namespace bulwark::BULWARK_CUDA
