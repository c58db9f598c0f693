#include "addon/engine_object.h"

#include <algorithm>
#include <optional>
#include <string>
#include <thread>

#include "addon/arguments.h"
#include "addon/devices.h"
#include "addon/input_search_object.h"

namespace bulwark::addon {

EngineObject::EngineObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<EngineObject>(info) {
  const Fields fields(objectArgument(info, 0, "options"), "options");
  int threads = fields.integer("threads", 0);
  if (threads == 0) threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  std::optional<std::string> cublas;
  if (fields.has("cublas")) cublas = fields.text("cublas");
  try {
    engine_ = std::make_shared<Engine>(threads, deviceOf(fields.text("device"), cublas));
  } catch (const DeviceError& error) {
    throw codedError(info.Env(), "ERR_DEVICE", error.what());
  }
}

Napi::Function EngineObject::define(Napi::Env env) {
  return DefineClass(
      env, "Engine",
      {InstanceAccessor<&EngineObject::threads>("threads"), InstanceMethod<&EngineObject::forward>("forward"),
       InstanceMethod<&EngineObject::bounds>("bounds"), InstanceMethod<&EngineObject::search>("search"),
       InstanceMethod<&EngineObject::attack>("attack"), InstanceMethod<&EngineObject::norms>("norms"),
       InstanceMethod<&EngineObject::classCounts>("classCounts"),
       InstanceMethod<&EngineObject::advance>("advance"), InstanceMethod<&EngineObject::close>("close")});
}

SharedEngine EngineObject::open(Napi::Env env) const {
  if (!engine_) throw codedError(env, "ERR_CLOSED", "the engine is closed");
  return engine_;
}

Napi::Value EngineObject::threads(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), open(info.Env())->pool.size());
}

Napi::Value EngineObject::forward(const Napi::CallbackInfo& info) {
  return PromiseWorker::start(forwardWork(info, modelArgument(info), open(info.Env())));
}

Napi::Value EngineObject::bounds(const Napi::CallbackInfo& info) {
  return PromiseWorker::start(boundsWork(info, modelArgument(info), open(info.Env())));
}

Napi::Value EngineObject::search(const Napi::CallbackInfo& info) {
  return PromiseWorker::start(searchWork(info, modelArgument(info), open(info.Env())));
}

Napi::Value EngineObject::attack(const Napi::CallbackInfo& info) {
  return PromiseWorker::start(attackWork(info, modelArgument(info), open(info.Env())));
}

Napi::Value EngineObject::classCounts(const Napi::CallbackInfo& info) {
  return PromiseWorker::start(classCountsWork(info, modelArgument(info), open(info.Env())));
}

Napi::Value EngineObject::norms(const Napi::CallbackInfo& info) {
  return PromiseWorker::start(normsWork(info, modelArgument(info), open(info.Env())));
}

Napi::Value EngineObject::advance(const Napi::CallbackInfo& info) {
  return PromiseWorker::start(advanceWork(info, open(info.Env())));
}

void EngineObject::close(const Napi::CallbackInfo&) { engine_.reset(); }

}  // namespace bulwark::addon
