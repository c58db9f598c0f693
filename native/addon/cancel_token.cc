#include "addon/cancel_token.h"

namespace bulwark::addon {

Napi::Function CancelToken::define(Napi::Env env) {
  return DefineClass(env, "CancelToken", {InstanceMethod("cancel", &CancelToken::cancel)});
}

}  // namespace bulwark::addon
