#include <napi.h>

namespace {

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  exports.Set("version", Napi::String::New(env, BULWARK_VERSION));
  return exports;
}

}  // namespace

NODE_API_MODULE(bulwark, initialise)
