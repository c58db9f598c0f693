// What can compute here: the one place of the addon that knows CUDA.
#pragma once

#include <napi.h>

#include <memory>
#include <optional>
#include <string>

#include "kernels/device.h"

namespace bulwark::addon {

/// "cpu" or "cuda". Engines and arithmetics of one process share a GPU's memory and the plans that lie there.
/// `cublas`: on the GPU, dense products are made by this file's cuBLAS, or (empty) the system's. Throws
/// DeviceError where there is no such device or library.
std::shared_ptr<Device> deviceOf(const std::string& kind, const std::optional<std::string>& cublas = {});

// devices(): NativeDevice[]
Napi::Value devices(const Napi::CallbackInfo& info);
// cudaAbsence(): string
Napi::Value cudaAbsence(const Napi::CallbackInfo& info);

}  // namespace bulwark::addon
