#include "addon/devices.h"

#include <map>
#include <mutex>

#include "kernels/cuda.h"

namespace bulwark::addon {

namespace {

/// What is open already, else what `open` opens.
template <typename Open>
std::shared_ptr<Device> shared(std::weak_ptr<Device>& opened, Open open) {
  std::shared_ptr<Device> device = opened.lock();
  if (!device) opened = device = open();
  return device;
}

}  // namespace

std::shared_ptr<Device> deviceOf(const std::string& kind, const std::optional<std::string>& cublas) {
  if (kind == "cpu") return cpuDevice();
  if (kind != "cuda") throw DeviceError("device '" + kind + "' is not available; expected 'cpu' or 'cuda'");
  static std::mutex mutex;
  static std::weak_ptr<Device> gpu;
  static std::map<std::string, std::weak_ptr<Device>> withLibrary;  // by its file
  const std::lock_guard lock(mutex);
  const auto plain = shared(gpu, [] { return BULWARK_CUDA::openDevice(); });
  if (!cublas) return plain;
  return shared(withLibrary[*cublas], [&] { return BULWARK_CUDA::withCublas(plain, *cublas); });
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
