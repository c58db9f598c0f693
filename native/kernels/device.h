// Where backends come from. Backends of one device use each other's memory and plans.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>

#include "kernels/backend.h"
#include "kernels/dense.h"

namespace bulwark {

/// The device, or its driver, failed.
class DeviceError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The device's memory, or the part of it that may be used, is taken.
class DeviceMemoryError : public DeviceError {
 public:
  using DeviceError::DeviceError;
};

class Device {
 public:
  virtual ~Device() = default;
  /// "cpu" or "cuda".
  virtual const char* kind() const = 0;
  /// Of one thread at a time.
  virtual std::unique_ptr<Backend> makeBackend() = 0;
  /// Training's arithmetic; `threads` are those of the host where that computes.
  virtual std::unique_ptr<Dense> makeDense(int threads) = 0;
  /// How many batches should be under way at once, at most.
  virtual int batchesAtOnce(int threads) const = 0;
};

/// The CPU with its best instruction set.
std::shared_ptr<Device> cpuDevice();

}  // namespace bulwark
