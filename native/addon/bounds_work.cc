#include "addon/problem_arguments.h"
#include "addon/work.h"
#include "bounds/bounds.h"

namespace bulwark::addon {

namespace {

class BoundsWorker final : public PromiseWorker {
 public:
  BoundsWorker(const Napi::CallbackInfo& info, SharedModel model, SharedPool pool)
      : PromiseWorker(info.Env(), Control::read(info, 4)), model_(std::move(model)), pool_(std::move(pool)) {
    region_ = readRegion(objectArgument(info, 1, "region"), *model_);
    specification_ = readRows(objectArgument(info, 2, "rows"), *model_, region_.count);
    options_ = readBoundsOptions(objectArgument(info, 3, "options"));
  }

 private:
  void execute() override {
    Workers workers(*pool_);
    result_ = computeBounds(
        model_->prepared, region_, specification_, options_, workers, [this] { return cancelled(); },
        [this](long done, long total) { progress(done, total); });
  }

  Napi::Value result(Napi::Env env) override {
    Napi::Object out = Napi::Object::New(env);
    out.Set("lower", float64Array(env, result_.lower));
    out.Set("iterations", int32Array(env, result_.iterations));
    out.Set("timedOut", uint8Array(env, result_.timedOut));
    if (options_.coefficients) {
      out.Set("slope", float64Array(env, toOnnx(result_.slope, model_->inputOrder)));
      out.Set("offset", float64Array(env, result_.offset));
    }
    if (options_.multipliers) out.Set("multipliers", multipliers(env));
    return out;
  }

  /// NativeMultipliers; rows that the call did not finish hold zeros.
  Napi::Value multipliers(Napi::Env env) {
    const Network& network = model_->network;
    std::vector<std::vector<int32_t>> orders;
    size_t features = 0;
    for (size_t id = 0; id < network.nodes.size(); ++id) {
      if (network.nodes[id].kind != NodeKind::relu) continue;
      orders.push_back(network.order(static_cast<int>(id)));
      features += orders.back().size();
    }
    const size_t rows = result_.lower.size();
    auto slope = Napi::Float32Array::New(env, rows * features);
    auto lambda = Napi::Float32Array::New(env, rows * orders.size());
    auto inputLambda = Napi::Float32Array::New(env, rows);
    for (size_t row = 0; row < result_.multipliers.size(); ++row) {
      const Multipliers& given = result_.multipliers[row];
      if (given.slope.empty()) continue;
      float* to = slope.Data() + row * features;
      for (size_t k = 0; k < orders.size(); ++k) {
        for (size_t i = 0; i < orders[k].size(); ++i) to[orders[k][i]] = given.slope[k][i];
        to += orders[k].size();
        lambda[row * orders.size() + k] = given.lambda[k];
      }
      inputLambda[row] = given.inputLambda;
    }
    Napi::Object out = Napi::Object::New(env);
    out.Set("slope", slope);
    out.Set("lambda", lambda);
    out.Set("inputLambda", inputLambda);
    return out;
  }

  const SharedModel model_;
  const SharedPool pool_;
  Region region_;
  Specification specification_;
  BoundsOptions options_;
  BoundsResult result_;
};

}  // namespace

PromiseWorker* boundsWork(const Napi::CallbackInfo& info, SharedModel model, SharedPool pool) {
  return new BoundsWorker(info, std::move(model), std::move(pool));
}

}  // namespace bulwark::addon
