#include <algorithm>
#include <cmath>

#include "addon/problem_arguments.h"
#include "addon/work.h"
#include "bounds/images.h"
#include "bounds/workers.h"

namespace bulwark::addon {

namespace {

class ForwardWorker final : public PromiseWorker {
 public:
  ForwardWorker(const Napi::CallbackInfo& info, SharedModel model, SharedEngine engine)
      : PromiseWorker(info.Env(), Control::read(info, 3)),
        model_(std::move(model)),
        engine_(std::move(engine)) {
    const Napi::Env env = info.Env();
    if (!info[2].IsNumber() || !(info[2].As<Napi::Number>().DoubleValue() >= 1)) {
      throw argumentError(env, "count: expected an integer of at least 1");
    }
    count_ = info[2].As<Napi::Number>().Int32Value();
    const size_t length = static_cast<size_t>(count_) * model_->network.inputSize();
    if (!info[1].IsTypedArray() || info[1].As<Napi::TypedArray>().TypedArrayType() != napi_float64_array ||
        info[1].As<Napi::Float64Array>().ElementLength() != length) {
      throw argumentError(env, "x: expected a Float64Array of " + std::to_string(length) + " elements");
    }
    const auto array = info[1].As<Napi::Float64Array>();
    point_.kind = InputKind::box;
    point_.count = count_;
    point_.center = toStored({array.Data(), array.Data() + length}, model_->inputOrder);
    point_.lower = point_.upper = point_.center;
  }

 private:
  /// Inputs run together: they fill blocks, and a cancelled call ends soon.
  static constexpr int kRunAtOnce = 256;

  void execute() override {
    Workers workers(engine_->pool, *engine_->device);
    const std::shared_ptr<const Prepared> prepared = model_->preparedFor(engine_->device);
    const int output = static_cast<int>(model_->network.nodes.size()) - 1;
    output_.reserve(static_cast<size_t>(count_) * model_->network.outputSize());
    for (int first = 0; first < count_ && !cancelled(); first += kRunAtOnce) {
      const int count = std::min(kRunAtOnce, count_ - first);
      Images images(*prepared, workers.main(), point_, first, count, false);
      workers.eachStretch(images.blocks(), [&](int block, int blocks, Backend& backend) {
        images.runNominal(backend, block, blocks);
      });
      const std::vector<float> values = images.nominal(workers.main(), output);
      output_.insert(output_.end(), values.begin(), values.end());
      progress(first + count, count_);
    }
  }

  Napi::Value result(Napi::Env env) override {
    return float64Array(env, toOnnx(output_, model_->outputOrder));
  }

  const SharedModel model_;
  const SharedEngine engine_;
  int count_ = 0;
  Region point_;
  std::vector<float> output_;
};

}  // namespace

PromiseWorker* forwardWork(const Napi::CallbackInfo& info, SharedModel model, SharedEngine engine) {
  return new ForwardWorker(info, std::move(model), std::move(engine));
}

}  // namespace bulwark::addon
