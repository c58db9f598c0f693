// The CPU as a device.
#include "kernels/device.h"

namespace bulwark {
namespace {

/// Rows that fill the register tiles of the linear layers; more only costs cache.
constexpr int kBatchRows = 48;

class CpuDevice final : public Device {
 public:
  const char* kind() const override { return "cpu"; }
  std::unique_ptr<Backend> makeBackend() override { return makeCpuBackend(); }
  int batchesAtOnce(int threads) const override { return threads; }
  int batchRows() const override { return kBatchRows; }
};

}  // namespace

std::shared_ptr<Device> cpuDevice() { return std::make_shared<CpuDevice>(); }

}  // namespace bulwark
