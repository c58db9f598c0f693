// `createEngine({threads, device, cublas}): NativeEngine`: threads and device, and the calls that run on
// them.
#pragma once

#include <napi.h>

#include <memory>

#include "addon/work.h"

namespace bulwark::addon {

class EngineObject : public Napi::ObjectWrap<EngineObject> {
 public:
  explicit EngineObject(const Napi::CallbackInfo& info);

  static Napi::Function define(Napi::Env env);

 private:
  Napi::Value threads(const Napi::CallbackInfo& info);
  Napi::Value forward(const Napi::CallbackInfo& info);
  Napi::Value bounds(const Napi::CallbackInfo& info);
  Napi::Value search(const Napi::CallbackInfo& info);
  Napi::Value attack(const Napi::CallbackInfo& info);
  Napi::Value norms(const Napi::CallbackInfo& info);
  Napi::Value classCounts(const Napi::CallbackInfo& info);
  Napi::Value advance(const Napi::CallbackInfo& info);
  void close(const Napi::CallbackInfo& info);

  /// The engine, or ERR_CLOSED.
  SharedEngine open(Napi::Env env) const;

  SharedEngine engine_;
};

}  // namespace bulwark::addon
