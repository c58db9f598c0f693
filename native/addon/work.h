// The engine's calls as promise workers. Each holds what it needs: engine and model live until it is done.
#pragma once

#include <memory>

#include "addon/network_object.h"
#include "addon/promise_worker.h"
#include "kernels/device.h"
#include "kernels/thread_pool.h"

namespace bulwark::addon {

using SharedModel = std::shared_ptr<const Model>;
/// What the calls of one engine compute with.
struct Engine {
  Engine(int threads, std::shared_ptr<Device> where) : pool(threads), device(std::move(where)) {}
  ThreadPool pool;
  const std::shared_ptr<Device> device;
};
using SharedEngine = std::shared_ptr<Engine>;

/// (network, x, count, control)
PromiseWorker* forwardWork(const Napi::CallbackInfo& info, SharedModel model, SharedEngine engine);
/// (network, region, rows, options, control)
PromiseWorker* boundsWork(const Napi::CallbackInfo& info, SharedModel model, SharedEngine engine);
PromiseWorker* searchWork(const Napi::CallbackInfo& info, SharedModel model, SharedEngine engine);
PromiseWorker* attackWork(const Napi::CallbackInfo& info, SharedModel model, SharedEngine engine);
/// (network, options, control)
PromiseWorker* classCountsWork(const Napi::CallbackInfo& info, SharedModel model, SharedEngine engine);
/// (network, control)
PromiseWorker* normsWork(const Napi::CallbackInfo& info, SharedModel model, SharedEngine engine);

}  // namespace bulwark::addon
