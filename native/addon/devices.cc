#include "addon/devices.h"

#include <mutex>

#include "kernels/cuda.h"

namespace bulwark::addon {

std::shared_ptr<Device> deviceOf(const std::string& kind) {
  if (kind == "cpu") return cpuDevice();
  if (kind != "cuda") throw DeviceError("device '" + kind + "' is not available; expected 'cpu' or 'cuda'");
  static std::mutex mutex;
  static std::weak_ptr<Device> opened;
  const std::lock_guard lock(mutex);
  std::shared_ptr<Device> device = opened.lock();
  if (!device) opened = device = BULWARK_CUDA::openDevice();
  return device;
}

Napi::Value devices(const Napi::CallbackInfo& info) {
  Napi::Array out = Napi::Array::New(info.Env());
  Napi::Object cpu = Napi::Object::New(info.Env());
  cpu.Set("kind", "cpu");
  cpu.Set("name", cpuInstructionSets().front());
  out.Set(0u, cpu);
  const BULWARK_CUDA::DeviceList found = BULWARK_CUDA::devices();
  for (const BULWARK_CUDA::DeviceInfo& device : found.devices) {
    Napi::Object entry = Napi::Object::New(info.Env());
    entry.Set("kind", "cuda");
    entry.Set("name", device.name);
    entry.Set("memory", static_cast<double>(device.memory));
    entry.Set("computeCapability", std::to_string(device.major) + "." + std::to_string(device.minor));
    out.Set(out.Length(), entry);
  }
  return out;
}

Napi::Value cudaAbsence(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), BULWARK_CUDA::devices().reason);
}

}  // namespace bulwark::addon
