#include "addon/engine_object.h"

#include <algorithm>
#include <thread>

#include "addon/arguments.h"
#include "addon/instance.h"
#include "addon/work.h"

namespace bulwark::addon {

namespace {

SharedModel modelArgument(const Napi::CallbackInfo& info) {
  const Napi::Object object = objectArgument(info, 0, "network");
  if (!object.InstanceOf(instanceOf(info.Env()).network.Value())) {
    throw argumentError(info.Env(), "network: expected a network of createNetwork()");
  }
  return Napi::ObjectWrap<NetworkObject>::Unwrap(object)->model();
}

}  // namespace

EngineObject::EngineObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<EngineObject>(info) {
  const Fields fields(objectArgument(info, 0, "options"), "options");
  if (fields.text("device") != "cpu") {
    throw codedError(info.Env(), "ERR_DEVICE",
                     "device '" + fields.text("device") + "' is not available; expected 'cpu'");
  }
  int threads = fields.integer("threads", 0);
  if (threads == 0) threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  pool_ = std::make_shared<ThreadPool>(threads);
}

Napi::Function EngineObject::define(Napi::Env env) {
  return DefineClass(
      env, "Engine",
      {InstanceAccessor<&EngineObject::threads>("threads"), InstanceMethod<&EngineObject::forward>("forward"),
       InstanceMethod<&EngineObject::bounds>("bounds"), InstanceMethod<&EngineObject::search>("search"),
       InstanceMethod<&EngineObject::attack>("attack"), InstanceMethod<&EngineObject::norms>("norms"),
       InstanceMethod<&EngineObject::classCounts>("classCounts"),
       InstanceMethod<&EngineObject::close>("close")});
}

std::shared_ptr<ThreadPool> EngineObject::pool(Napi::Env env) const {
  if (!pool_) throw codedError(env, "ERR_CLOSED", "the engine is closed");
  return pool_;
}

Napi::Value EngineObject::threads(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), pool(info.Env())->size());
}

Napi::Value EngineObject::forward(const Napi::CallbackInfo& info) {
  return PromiseWorker::start(forwardWork(info, modelArgument(info), pool(info.Env())));
}

Napi::Value EngineObject::bounds(const Napi::CallbackInfo& info) {
  return PromiseWorker::start(boundsWork(info, modelArgument(info), pool(info.Env())));
}

Napi::Value EngineObject::search(const Napi::CallbackInfo& info) {
  return PromiseWorker::start(searchWork(info, modelArgument(info), pool(info.Env())));
}

Napi::Value EngineObject::attack(const Napi::CallbackInfo& info) {
  return PromiseWorker::start(attackWork(info, modelArgument(info), pool(info.Env())));
}

Napi::Value EngineObject::classCounts(const Napi::CallbackInfo& info) {
  return PromiseWorker::start(classCountsWork(info, modelArgument(info), pool(info.Env())));
}

Napi::Value EngineObject::norms(const Napi::CallbackInfo& info) {
  return PromiseWorker::start(normsWork(info, modelArgument(info), pool(info.Env())));
}

void EngineObject::close(const Napi::CallbackInfo&) { pool_.reset(); }

}  // namespace bulwark::addon
