// Which GPUs there are, and opening one.
#include <algorithm>

#include "kernels/cuda.h"
#include "kernels/cuda/cublas.h"
#include "kernels/cuda/make_backend.h"
#include "kernels/cuda/make_dense.h"

namespace bulwark::BULWARK_CUDA {
namespace {

constexpr int kLeastMajor = 8;  // compute capability that the kernels are compiled for

/// Streams that keep the device busy while one of them waits for the host.
constexpr int kStreams = 2;

class CudaDevice final : public Device {
 public:
  CudaDevice(std::string name, std::shared_ptr<Memory> memory, bool graphs)
      : name_(std::move(name)), memory_(std::move(memory)), graphs_(graphs) {}
  const char* kind() const override { return "cuda"; }
  std::unique_ptr<Backend> makeBackend() override { return makeBackendWith(nullptr); }
  std::unique_ptr<Backend> makeBackendWith(const std::shared_ptr<CublasHandles>& library) const {
    return BULWARK_CUDA::makeBackend(name_, memory_, graphs_, library);
  }
  std::unique_ptr<Dense> makeDense(int) override { return BULWARK_CUDA::makeDense(memory_); }
  int batchesAtOnce(int threads) const override { return std::min(threads, kStreams); }

 private:
  const std::string name_;
  const std::shared_ptr<Memory> memory_;
  const bool graphs_;
};

/// Another device's, but for dense products.
class CublasDevice final : public Device {
 public:
  CublasDevice(std::shared_ptr<CudaDevice> device, const CublasFunctions& functions)
      : device_(std::move(device)), library_(std::make_shared<CublasHandles>(functions)) {
    makeBackend();  // so that a library that refuses does it here
  }
  const char* kind() const override { return device_->kind(); }
  std::unique_ptr<Backend> makeBackend() override { return device_->makeBackendWith(library_); }
  std::unique_ptr<Dense> makeDense(int threads) override { return device_->makeDense(threads); }
  int batchesAtOnce(int threads) const override { return device_->batchesAtOnce(threads); }

 private:
  const std::shared_ptr<CudaDevice> device_;
  const std::shared_ptr<CublasHandles> library_;
};

}  // namespace

DeviceList devices() {
  DeviceList list;
  int count = 0;
  if (const cudaError_t status = cudaGetDeviceCount(&count); status != cudaSuccess) {
    cudaGetLastError();
    // This error stands for a driver that is too old, and for none at all.
    list.reason = status == cudaErrorInsufficientDriver
                      ? "there is no NVIDIA driver, or it is too old for this build's CUDA runtime"
                      : std::string("the CUDA driver does not answer: ") + cudaGetErrorString(status);
    return list;
  }
  for (int i = 0; i < count; ++i) {
    cudaDeviceProp properties{};
    if (cudaGetDeviceProperties(&properties, i) != cudaSuccess) continue;
    if (properties.major < kLeastMajor) {
      if (i > 0) continue;
      // It is the one that threads use unless they say otherwise.
      list.reason = std::string("the first GPU, ") + properties.name + ", has compute capability " +
                    std::to_string(properties.major) + "." + std::to_string(properties.minor) +
                    ", needed is " + std::to_string(kLeastMajor) +
                    ".0; CUDA_VISIBLE_DEVICES can put another first";
      return list;
    }
    list.devices.push_back({properties.name, properties.major, properties.minor, properties.totalGlobalMem});
  }
  if (list.devices.empty())
    list.reason = "no GPU of compute capability " + std::to_string(kLeastMajor) + ".0 or later";
  return list;
}

std::shared_ptr<Device> openDevice(size_t budget, size_t grain, bool graphs) {
  const DeviceList list = devices();
  if (list.devices.empty()) throw DeviceError("no CUDA device: " + list.reason);
  size_t free = 0, total = 0;
  require(cudaMemGetInfo(&free, &total), "opening the device");
  if (budget == 0) budget = free / 10 * 9;
  return std::make_shared<CudaDevice>(list.devices.front().name, std::make_shared<Memory>(budget, grain),
                                      graphs);
}

std::shared_ptr<Device> withCublas(const std::shared_ptr<Device>& device, const CublasFunctions& functions) {
  auto gpu = std::dynamic_pointer_cast<CudaDevice>(device);
  if (!gpu)
    throw DeviceError(std::string("cuBLAS is asked for on a device of kind '") + device->kind() + "'");
  return std::make_shared<CublasDevice>(std::move(gpu), functions);
}

std::shared_ptr<Device> withCublas(const std::shared_ptr<Device>& device, const std::string& file) {
  const CublasLibrary library = file.empty() ? loadCublas() : loadCublas({file});
  if (!library.functions.multiply)
    throw DeviceError("cuBLAS is asked for, and there is none that can be used: " + library.absence);
  return withCublas(device, library.functions);
}

}  // namespace bulwark::BULWARK_CUDA
