// The engine's calls as promise workers. Each holds what it needs: pool and model live until it is done.
#pragma once

#include <memory>

#include "addon/network_object.h"
#include "addon/promise_worker.h"
#include "kernels/thread_pool.h"

namespace bulwark::addon {

using SharedModel = std::shared_ptr<const Model>;
using SharedPool = std::shared_ptr<ThreadPool>;

/// (network, x, count, control)
PromiseWorker* forwardWork(const Napi::CallbackInfo& info, SharedModel model, SharedPool pool);
/// (network, region, rows, options, control)
PromiseWorker* boundsWork(const Napi::CallbackInfo& info, SharedModel model, SharedPool pool);
PromiseWorker* searchWork(const Napi::CallbackInfo& info, SharedModel model, SharedPool pool);
PromiseWorker* attackWork(const Napi::CallbackInfo& info, SharedModel model, SharedPool pool);
/// (network, options, control)
PromiseWorker* classCountsWork(const Napi::CallbackInfo& info, SharedModel model, SharedPool pool);
/// (network, control)
PromiseWorker* normsWork(const Napi::CallbackInfo& info, SharedModel model, SharedPool pool);

}  // namespace bulwark::addon
