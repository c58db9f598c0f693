// What the addon exports: src/binding.ts, call by call.
#include <napi.h>

#include "addon/arguments.h"
#include "addon/cancel_token.h"
#include "addon/engine_object.h"
#include "addon/instance.h"
#include "addon/network_object.h"
#include "kernels/backend.h"

namespace bulwark::addon {

namespace {

/// createX(argument) = new X(argument).
template <Napi::FunctionReference Instance::* constructor>
Napi::Value create(const Napi::CallbackInfo& info) {
  return (instanceOf(info.Env()).*constructor)
      .New(info.Length() > 0 ? std::vector<napi_value>{info[0]} : std::vector<napi_value>{});
}

Napi::Value instructionSets(const Napi::CallbackInfo& info) {
  Napi::Array out = Napi::Array::New(info.Env());
  for (const char* name : cpuInstructionSets()) out.Set(out.Length(), name);
  return out;
}

Napi::Value devices(const Napi::CallbackInfo& info) {
  Napi::Array out = Napi::Array::New(info.Env());
  Napi::Object cpu = Napi::Object::New(info.Env());
  cpu.Set("kind", "cpu");
  cpu.Set("name", cpuInstructionSets().front());
  out.Set(0u, cpu);
  return out;
}

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  auto* instance = new Instance;
  instance->network = Napi::Persistent(NetworkObject::define(env));
  instance->engine = Napi::Persistent(EngineObject::define(env));
  instance->cancelToken = Napi::Persistent(CancelToken::define(env));
  env.SetInstanceData(instance);
  env.AddCleanupHook(
      [](Instance* ending) {
        for (const CancelToken::Flag& flag : ending->running) flag->store(true);
      },
      instance);

  exports.Set("version", BULWARK_VERSION);
  exports.Set("createNetwork", Napi::Function::New(env, create<&Instance::network>, "createNetwork"));
  exports.Set("createEngine", Napi::Function::New(env, create<&Instance::engine>, "createEngine"));
  exports.Set("createCancelToken",
              Napi::Function::New(env, create<&Instance::cancelToken>, "createCancelToken"));
  exports.Set("instructionSets", Napi::Function::New(env, instructionSets, "instructionSets"));
  exports.Set("devices", Napi::Function::New(env, devices, "devices"));
  return exports;
}

}  // namespace

}  // namespace bulwark::addon

namespace {
Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  return bulwark::addon::initialise(env, exports);
}
}  // namespace

NODE_API_MODULE(bulwark, initialise)
