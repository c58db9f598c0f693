#include "addon/promise_worker.h"

#include <exception>
#include <system_error>
#include <thread>
#include <utility>

#include "kernels/device.h"

namespace bulwark::addon {

Control Control::read(const Napi::CallbackInfo& info, size_t index) {
  Control control;
  const Fields fields(objectArgument(info, index, "control"), "control");
  if (fields.has("cancel")) {
    const Napi::Object token = fields.object("cancel");
    if (!token.InstanceOf(instanceOf(info.Env()).cancelToken.Value())) {
      throw fields.wrong("cancel", "a token of createCancelToken()");
    }
    control.cancel = Napi::ObjectWrap<CancelToken>::Unwrap(token)->flag();
  }
  if (fields.has("onProgress")) {
    const Napi::Object callback = fields.object("onProgress");
    if (!callback.IsFunction()) throw fields.wrong("onProgress", "a function");
    control.onProgress = Napi::Persistent(callback.As<Napi::Function>());
  }
  return control;
}

/// The JavaScript side of one call: the context of its thread-safe function, destroyed by its finalizer.
struct PromiseWorker::Caller {
  explicit Caller(std::shared_ptr<PromiseWorker> called)
      : env(called->env_),
        deferred(Napi::Promise::Deferred::New(env)),
        onProgress(std::move(called->onProgress_)),
        worker(std::move(called)) {}

  /// `given` is null for a wake-up that its environment did not live to see.
  static void woken(napi_env given, napi_value, void* context, void*) {
    if (given == nullptr) return;
    try {
      static_cast<Caller*>(context)->hear();
    } catch (const Napi::Error&) {
      // JavaScript may not run any more: the environment is ending, and nobody is there to be told.
    }
  }

  static void finalize(napi_env, void* data, void*) {
    const std::unique_ptr<Caller> caller(static_cast<Caller*>(data));
    if (caller->worker) caller->worker->abandon();
  }

  void hear() {
    if (!worker) return;
    std::optional<Progress> progress;
    bool done;
    {
      const std::lock_guard lock(worker->mutex_);
      progress = std::exchange(worker->progress_, std::nullopt);
      done = worker->done_;
    }
    const Napi::HandleScope scope(env);
    if (progress && !onProgress.IsEmpty() && !thrown) tell(*progress);
    if (done) settle();
  }

  void tell(const Progress& progress) {
    try {
      onProgress.Call({Napi::Number::New(env, static_cast<double>(progress.done)),
                       Napi::Number::New(env, static_cast<double>(progress.total))});
    } catch (const Napi::Error& error) {
      thrown = error;
      worker->cancel_->store(true);
    }
  }

  void settle() {
    // The worker goes first, and with it the call's memory and its share in the engine's threads.
    const std::shared_ptr<PromiseWorker> ended = std::move(worker);
    try {
      if (thrown) throw *thrown;
      if (ended->cancelled()) throw codedError(env, "ERR_ABORTED", "the operation was aborted");
      if (ended->failure_) throw codedError(env, ended->failure_->code, ended->failure_->message);
      deferred.Resolve(ended->result(env));
    } catch (const Napi::Error& error) {
      deferred.Reject(error.Value());
    } catch (const std::exception& error) {
      deferred.Reject(codedError(env, "ERR_NATIVE", error.what()).Value());
    }
  }

  const Napi::Env env;
  const Napi::Promise::Deferred deferred;
  const Napi::FunctionReference onProgress;
  std::optional<Napi::Error> thrown;      // by onProgress
  std::shared_ptr<PromiseWorker> worker;  // until the promise is settled
};

PromiseWorker::PromiseWorker(Napi::Env env, Control control)
    : env_(env),
      cancel_(control.cancel ? std::move(control.cancel) : std::make_shared<std::atomic<bool>>(false)),
      onProgress_(std::move(control.onProgress)) {}

Napi::Promise PromiseWorker::start(PromiseWorker* given) {
  const std::shared_ptr<PromiseWorker> worker(given);
  auto caller = std::make_unique<Caller>(worker);
  const Napi::Promise promise = caller->deferred.Promise();
  const Napi::String name = Napi::String::New(worker->env_, "bulwark");
  const napi_status status =
      napi_create_threadsafe_function(worker->env_, nullptr, nullptr, name, 0, 1, caller.get(),
                                      Caller::finalize, caller.get(), Caller::woken, &worker->caller_);
  if (status != napi_ok) throw Napi::Error::New(worker->env_);
  caller.release();  // the finalizer's from here on
  try {
    std::thread([worker] { worker->run(); }).detach();
  } catch (const std::system_error& error) {
    worker->finish(Failure{"ERR_NATIVE", "no thread for this call: " + std::string(error.what())});
  }
  return promise;
}

void PromiseWorker::progress(long done, long total) {
  const auto now = std::chrono::steady_clock::now();
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock || now - lastReport_ < std::chrono::milliseconds(100)) return;
  lastReport_ = now;
  progress_ = {done, total};
  wake();
}

void PromiseWorker::run() {
  try {
    execute();
    finish(std::nullopt);
  } catch (const DeviceError& error) {
    finish(Failure{"ERR_DEVICE", error.what()});
  } catch (const std::exception& error) {
    finish(Failure{"ERR_NATIVE", error.what()});
  } catch (...) {
    finish(Failure{"ERR_NATIVE", "unknown native exception"});
  }
}

/// With the mutex held. It carries nothing: what there is to say lies in the worker.
void PromiseWorker::wake() {
  // napi_closing takes this thread's share in the function back.
  if (caller_ && napi_call_threadsafe_function(caller_, nullptr, napi_tsfn_nonblocking) != napi_ok) {
    caller_ = nullptr;
  }
}

void PromiseWorker::finish(std::optional<Failure> failure) {
  const std::lock_guard lock(mutex_);
  failure_ = std::move(failure);
  done_ = true;
  wake();
  if (caller_) napi_release_threadsafe_function(std::exchange(caller_, nullptr), napi_tsfn_release);
}

/// The environment ends before the call. Node may free the thread-safe function after its finalizer though
/// a thread still holds it, hence the lock: past it, this thread's share is given back and never used.
void PromiseWorker::abandon() {
  cancel_->store(true);
  const std::lock_guard lock(mutex_);
  if (caller_) napi_release_threadsafe_function(std::exchange(caller_, nullptr), napi_tsfn_release);
}

}  // namespace bulwark::addon
