#include "addon/promise_worker.h"

#include <stdexcept>

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

PromiseWorker::PromiseWorker(Napi::Env env, Control control)
    : Napi::AsyncProgressWorker<ProgressReport>(env),
      deferred_(Napi::Promise::Deferred::New(env)),
      cancel_(control.cancel ? std::move(control.cancel) : std::make_shared<std::atomic<bool>>(false)),
      onProgress_(std::move(control.onProgress)) {
  instanceOf(env).running.insert(cancel_);
}

Napi::Promise PromiseWorker::start(PromiseWorker* worker) {
  const Napi::Promise promise = worker->deferred_.Promise();
  worker->Queue();
  return promise;
}

void PromiseWorker::progress(long done, long total) {
  const auto now = std::chrono::steady_clock::now();
  const std::unique_lock lock(progressMutex_, std::try_to_lock);
  if (!lock || now - lastReport_ < std::chrono::milliseconds(100)) return;
  lastReport_ = now;
  const ProgressReport report{done, total};
  sink_->Send(&report, 1);
}

void PromiseWorker::Execute(const ExecutionProgress& sink) {
  sink_ = &sink;
  execute();  // an exception becomes OnError
}

void PromiseWorker::OnProgress(const ProgressReport* report, size_t count) {
  if (count == 0 || onProgress_.IsEmpty()) return;
  const Napi::Env env = Env();
  onProgress_.Call({Napi::Number::New(env, static_cast<double>(report[count - 1].done)),
                    Napi::Number::New(env, static_cast<double>(report[count - 1].total))});
}

void PromiseWorker::OnOK() {
  const Napi::Env env = Env();
  const Napi::HandleScope scope(env);
  instanceOf(env).running.erase(cancel_);
  if (cancelled()) {
    deferred_.Reject(codedError(env, "ERR_ABORTED", "the operation was aborted").Value());
    return;
  }
  try {
    deferred_.Resolve(result(env));
  } catch (const Napi::Error& error) {
    deferred_.Reject(error.Value());
  }
}

void PromiseWorker::OnError(const Napi::Error& error) {
  const Napi::HandleScope scope(Env());
  instanceOf(Env()).running.erase(cancel_);
  deferred_.Reject(codedError(Env(), "ERR_NATIVE", error.Message()).Value());
}

}  // namespace bulwark::addon
