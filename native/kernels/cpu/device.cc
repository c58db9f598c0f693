// The CPU as a device.
#include "kernels/device.h"

namespace bulwark {
namespace {

class CpuDevice final : public Device {
 public:
  const char* kind() const override { return "cpu"; }
  std::unique_ptr<Backend> makeBackend() override { return makeCpuBackend(); }
  std::unique_ptr<Dense> makeDense(int threads) override { return makeCpuDense(threads); }
  int batchesAtOnce(int threads) const override { return threads; }
};

}  // namespace

std::shared_ptr<Device> cpuDevice() { return std::make_shared<CpuDevice>(); }

}  // namespace bulwark
