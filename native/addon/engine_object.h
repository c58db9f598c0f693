// `createEngine({threads, device}): NativeEngine`: the thread pool, and the calls that run on it.
#pragma once

#include <napi.h>

#include <memory>

#include "kernels/thread_pool.h"

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
  void close(const Napi::CallbackInfo& info);

  /// The pool, or ERR_CLOSED.
  std::shared_ptr<ThreadPool> pool(Napi::Env env) const;

  std::shared_ptr<ThreadPool> pool_;
};

}  // namespace bulwark::addon
