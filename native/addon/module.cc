// What the addon exports: src/binding.ts, call by call.
#include <napi.h>

#ifdef _WIN32
#define NOMINMAX
#include <windows.h>
#else
#include <dlfcn.h>
#endif

#include "addon/arguments.h"
#include "addon/cancel_token.h"
#include "addon/dense_array.h"
#include "addon/dense_object.h"
#include "addon/devices.h"
#include "addon/engine_object.h"
#include "addon/input_search_object.h"
#include "addon/instance.h"
#include "addon/network_object.h"

namespace bulwark::addon {

namespace {

/// createX(...) = new X(...).
template <Napi::FunctionReference Instance::* constructor>
Napi::Value create(const Napi::CallbackInfo& info) {
  std::vector<napi_value> arguments;
  for (size_t i = 0; i < info.Length(); ++i) arguments.push_back(info[i]);
  return (instanceOf(info.Env()).*constructor).New(arguments);
}

Napi::Value instructionSets(const Napi::CallbackInfo& info) {
  Napi::Array out = Napi::Array::New(info.Env());
  for (const char* name : cpuInstructionSets()) out.Set(out.Length(), name);
  return out;
}

/// Node unloads an addon with the last worker thread that loaded it, but a call that this worker left behind
/// may run on for a moment: its code has to stay until the process ends.
void stayLoaded(Napi::Env env) {
  static const char here = 0;
#ifdef _WIN32
  HMODULE self;
  const bool pinned = GetModuleHandleExA(
      GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_PIN, &here, &self);
#else
  Dl_info self;
  const bool pinned =
      dladdr(&here, &self) != 0 && dlopen(self.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE) != nullptr;
#endif
  if (!pinned) throw Napi::Error::New(env, "the addon cannot be kept loaded");
}

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  auto* instance = new Instance;
  instance->network = Napi::Persistent(NetworkObject::define(env));
  instance->engine = Napi::Persistent(EngineObject::define(env));
  instance->cancelToken = Napi::Persistent(CancelToken::define(env));
  instance->dense = Napi::Persistent(DenseObject::define(env));
  instance->denseArray = Napi::Persistent(DenseArray::define(env));
  instance->inputSearch = Napi::Persistent(InputSearchObject::define(env));
  env.SetInstanceData(instance);
  stayLoaded(env);

  exports.Set("version", BULWARK_VERSION);
  exports.Set("createNetwork", Napi::Function::New(env, create<&Instance::network>, "createNetwork"));
  exports.Set("createEngine", Napi::Function::New(env, create<&Instance::engine>, "createEngine"));
  exports.Set("createDense", Napi::Function::New(env, create<&Instance::dense>, "createDense"));
  exports.Set("createInputSearch",
              Napi::Function::New(env, create<&Instance::inputSearch>, "createInputSearch"));
  exports.Set("createCancelToken",
              Napi::Function::New(env, create<&Instance::cancelToken>, "createCancelToken"));
  exports.Set("instructionSets", Napi::Function::New(env, instructionSets, "instructionSets"));
  exports.Set("devices", Napi::Function::New(env, devices, "devices"));
  exports.Set("cudaAbsence", Napi::Function::New(env, cudaAbsence, "cudaAbsence"));
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
