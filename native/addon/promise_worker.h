// Native work off the JavaScript thread, as a promise. Every call has a thread of its own, outside libuv's
// pool: the process and its worker threads wait for that pool when they end, but not for a call.
//
// A call has two sides. The worker holds native things only; it belongs to both threads and dies with the
// last of them, on either. What belongs to JavaScript (Caller, in the .cc file) is made, used and destroyed
// on the JavaScript thread alone. The thread reaches over through a thread-safe function, until its call is
// done or the environment has ended, whichever is first; in the second case the call is cancelled and its
// outcome is dropped.
#pragma once

#include <napi.h>

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "addon/arguments.h"
#include "addon/cancel_token.h"
#include "addon/instance.h"

namespace bulwark::addon {

/// NativeControl of src/binding.ts.
struct Control {
  CancelToken::Flag cancel;
  Napi::FunctionReference onProgress;

  static Control read(const Napi::CallbackInfo& info, size_t index);
};

class PromiseWorker {
 public:
  PromiseWorker(Napi::Env env, Control control);
  virtual ~PromiseWorker() = default;
  PromiseWorker(const PromiseWorker&) = delete;
  PromiseWorker& operator=(const PromiseWorker&) = delete;

  /// Runs `worker`, and owns it from here on. The promise rejects with ERR_ABORTED if the call was cancelled,
  /// with ERR_NATIVE if `execute` threw, and with what `result` or the progress callback threw.
  static Napi::Promise start(PromiseWorker* worker);

 protected:
  /// On a thread of its own; must not touch JavaScript. Derived classes hold no JavaScript values either.
  virtual void execute() = 0;
  /// On the JavaScript thread, once `execute` has returned.
  virtual Napi::Value result(Napi::Env env) = 0;

  bool cancelled() const { return cancel_->load(std::memory_order_relaxed); }
  /// Reports at most every tenth of a second; callable from any thread while `execute` runs.
  void progress(long done, long total);

 private:
  struct Caller;
  struct Progress {
    long done, total;
  };

  void run();
  void wake();
  struct Failure {
    const char* code;
    std::string message;
  };
  void finish(std::optional<Failure> failure);
  void abandon();

  const Napi::Env env_;
  const CancelToken::Flag cancel_;
  Napi::FunctionReference onProgress_;  // moves to the caller before the thread begins

  std::mutex mutex_;
  napi_threadsafe_function caller_ = nullptr;  // null once this thread may not call it any more
  std::optional<Progress> progress_;           // not yet told
  std::chrono::steady_clock::time_point lastReport_;
  bool done_ = false;
  std::optional<Failure> failure_;
};

}  // namespace bulwark::addon
