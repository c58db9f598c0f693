// `createCancelToken(): { cancel(): void }`: a flag that running work polls.
#pragma once

#include <napi.h>

#include <atomic>
#include <memory>

namespace bulwark::addon {

class CancelToken : public Napi::ObjectWrap<CancelToken> {
 public:
  using Flag = std::shared_ptr<std::atomic<bool>>;

  explicit CancelToken(const Napi::CallbackInfo& info) : Napi::ObjectWrap<CancelToken>(info) {}

  static Napi::Function define(Napi::Env env);
  const Flag& flag() const { return flag_; }

 private:
  void cancel(const Napi::CallbackInfo&) { flag_->store(true); }

  Flag flag_ = std::make_shared<std::atomic<bool>>(false);
};

}  // namespace bulwark::addon
