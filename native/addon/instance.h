// What one JavaScript environment (the main thread or a worker thread) holds: the addon's classes, so that
// arguments can be checked to be instances of them.
#pragma once

#include <napi.h>

namespace bulwark::addon {

struct Instance {
  Napi::FunctionReference network, engine, cancelToken, dense, denseArray, inputSearch;
};

inline Instance& instanceOf(Napi::Env env) { return *env.GetInstanceData<Instance>(); }

}  // namespace bulwark::addon
