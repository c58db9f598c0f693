// NVIDIA GPUs as a device. In a build without CUDA the same functions say that there is none.
//
// The sources behind this are compiled a second time for the self-test, as plain C++ against an emulation of
// the CUDA runtime; that copy lives in a namespace of another name.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "kernels/device.h"

#ifndef BULWARK_CUDA
#define BULWARK_CUDA cuda
#endif

namespace bulwark::BULWARK_CUDA {

struct DeviceInfo {
  std::string name;
  int major = 0, minor = 0;  // compute capability
  size_t memory = 0;         // bytes
};

struct DeviceList {
  std::vector<DeviceInfo> devices;  // those that can run this build's kernels
  std::string reason;               // why there are none, where there are none
};

/// Asks the driver; without one this takes well below a millisecond. Never throws.
DeviceList devices();

/// Opens the first of them. Its memory comes from one arena of at most `budget` bytes; 0: nine tenths of what
/// is free now; the driver is asked for at least `grain` bytes at a time. `graphs`: calls may be recorded.
/// Throws DeviceError where there is no device.
std::shared_ptr<Device> openDevice(size_t budget = 0, size_t grain = size_t{256} << 20, bool graphs = true);

/// The same GPU, memory and graphs, but products of linear operators are made by NVIDIA's cuBLAS: of the
/// library in `file`, or (empty) of the system's, version 13, 12 or 11. In float32 without tensor cores'
/// shorter numbers, but in an order of sums that may depend on the number of rows: a row's last bits are then
/// no longer the same whatever shares its batch. Throws DeviceError for a device without CUDA, and where
/// there is no such library, with what was looked for.
std::shared_ptr<Device> withCublas(const std::shared_ptr<Device>& device, const std::string& file = "");

/// Floating point operations per second of float32 multiply-adds that wait for nothing but each other,
/// measured on `blocks` thread blocks of 256 threads: what no kernel of this device can exceed.
double multiplyAddCeiling(int blocks = 4096, int steps = 4096);

struct ProductTime {
  double seconds = 0;
  std::string absence;  // why there is none, where there is none
};
/// How long NVIDIA's cuBLAS, if the system has it, takes for a linear operator of `in` -> `out` features on
/// so many rows, in float32 without tensor cores' shorter numbers: with rows in blocks as batches have them,
/// or in one matrix, as suits the library.
ProductTime cublasProduct(int in, int out, int rows, bool inBlocks);

}  // namespace bulwark::BULWARK_CUDA
