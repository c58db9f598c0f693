// Native work off the JavaScript thread: `execute` runs on a pool thread and touches no JavaScript,
// `result` runs back on the JavaScript thread; an exception in either rejects the promise.
#pragma once

#include <napi.h>

#include <atomic>
#include <chrono>
#include <mutex>

#include "addon/arguments.h"
#include "addon/cancel_token.h"
#include "addon/instance.h"

namespace bulwark::addon {

struct ProgressReport {
  long done = 0, total = 0;
};

/// NativeControl of src/binding.ts.
struct Control {
  CancelToken::Flag cancel;
  Napi::FunctionReference onProgress;

  static Control read(const Napi::CallbackInfo& info, size_t index);
};

class PromiseWorker : public Napi::AsyncProgressWorker<ProgressReport> {
 public:
  PromiseWorker(Napi::Env env, Control control);

  /// Queues `worker` (owned by the queue from here on) and returns its promise.
  static Napi::Promise start(PromiseWorker* worker);

 protected:
  virtual void execute() = 0;
  virtual Napi::Value result(Napi::Env env) = 0;

  bool cancelled() const { return cancel_->load(std::memory_order_relaxed); }
  /// Reports at most every tenth of a second; callable from any thread while `execute` runs.
  void progress(long done, long total);

 private:
  void Execute(const ExecutionProgress& sink) final;
  void OnProgress(const ProgressReport* report, size_t count) final;
  void OnOK() final;
  void OnError(const Napi::Error& error) final;

  Napi::Promise::Deferred deferred_;
  CancelToken::Flag cancel_;
  Napi::FunctionReference onProgress_;
  const ExecutionProgress* sink_ = nullptr;
  std::mutex progressMutex_;
  std::chrono::steady_clock::time_point lastReport_;
};

}  // namespace bulwark::addon
