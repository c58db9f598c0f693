#include "addon/bounding_worker.h"
#include "addon/evidence.h"

namespace bulwark::addon {

namespace {

class BoundsWorker final : public BoundingWorker {
 public:
  BoundsWorker(const Napi::CallbackInfo& info, SharedModel model, SharedEngine engine)
      : BoundingWorker(info, std::move(model), std::move(engine)) {
    wantsMultipliers_ = options_.multipliers;
    if (!proof_) return;
    proof_->byNorms = options_.method == Method::lip;
    proof_->ownBoxes = !wantsMultipliers_;
    if (!provesItself(options_, *proof_)) options_.multipliers = true;
  }

 private:
  void believe(const Prepared& prepared, Workers& workers, const StopCheck& stop,
               const bulwark::Progress& report) override {
    result_ = computeBounds(prepared, region_, specification_, options_, workers, stop, report);
  }

  void prove(const ProvenBounds& proven) override { result_ = proven.compute(); }

  Napi::Value result(Napi::Env env) override {
    Napi::Object out = outcome(env);
    out.Set("lower", float64Array(env, result_.lower));
    out.Set("iterations", int32Array(env, result_.iterations));
    out.Set("timedOut", uint8Array(env, result_.timedOut));
    if (options_.coefficients) {
      out.Set("slope", float64Array(env, toOnnx(result_.slope, model_->inputOrder)));
      out.Set("offset", float64Array(env, result_.offset));
    }
    if (wantsMultipliers_) {
      result_.multipliers.resize(result_.lower.size());
      out.Set("multipliers", multipliersObject(env, model_->network, result_.multipliers));
      out.Set("boxes", boxesArray(env, model_->network, result_.boxes));
    }
    return out;
  }

  bool wantsMultipliers_ = false;
  BoundsResult result_;
};

}  // namespace

PromiseWorker* boundsWork(const Napi::CallbackInfo& info, SharedModel model, SharedEngine engine) {
  return new BoundsWorker(info, std::move(model), std::move(engine));
}

}  // namespace bulwark::addon
