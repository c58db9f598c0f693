#include "addon/evidence.h"
#include "addon/problem_arguments.h"
#include "addon/work.h"
#include "bounds/bounds.h"

namespace bulwark::addon {

namespace {

class BoundsWorker final : public PromiseWorker {
 public:
  BoundsWorker(const Napi::CallbackInfo& info, SharedModel model, SharedEngine engine)
      : PromiseWorker(info.Env(), Control::read(info, 4)),
        model_(std::move(model)),
        engine_(std::move(engine)) {
    region_ = readRegion(objectArgument(info, 1, "region"), *model_);
    specification_ = readRows(objectArgument(info, 2, "rows"), *model_, region_.count);
    options_ = readBoundsOptions(objectArgument(info, 3, "options"));
    proof_ = readProofOptions(objectArgument(info, 3, "options"));
    wantsMultipliers_ = options_.multipliers;
    if (proof_) {
      proof_->byNorms = options_.method == Method::lip;
      if (!provesItself(options_, *proof_)) options_.multipliers = true;
    }
    options_.headroom = headroomFor(proof_);
  }

 private:
  void execute() override {
    Workers workers(engine_->pool, *engine_->device);
    const std::shared_ptr<const Prepared> prepared = model_->preparedFor(engine_->device);
    const StopCheck stop = [this] { return cancelled(); };
    const bulwark::Progress report = [this](long done, long total) { progress(done, total); };
    if (!proof_) {
      result_ = computeBounds(*prepared, region_, specification_, options_, workers, stop, report);
      notes_ = workers.notes();
      return;
    }
    const ProofModelSource source = [this](const StopCheck& stopOrLate) {
      return model_->proof(needsBalls(region_, options_.method), stopOrLate, onPool(engine_->pool));
    };
    const ProvenBounds proven{*prepared, region_, specification_, options_, *proof_,
                              source,    workers, engine_->pool,  stop,     report};
    result_ = proven.compute();
    notes_ = workers.notes();
  }

  Napi::Value result(Napi::Env env) override {
    Napi::Object out = Napi::Object::New(env);
    out.Set("lower", float64Array(env, result_.lower));
    out.Set("iterations", int32Array(env, result_.iterations));
    out.Set("timedOut", uint8Array(env, result_.timedOut));
    if (!notes_.empty()) out.Set("notes", textArray(env, notes_));
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

  const SharedModel model_;
  const SharedEngine engine_;
  Region region_;
  Specification specification_;
  BoundsOptions options_;
  std::optional<ProofOptions> proof_;
  bool wantsMultipliers_ = false;
  BoundsResult result_;
  std::set<std::string> notes_;
};

}  // namespace

PromiseWorker* boundsWork(const Napi::CallbackInfo& info, SharedModel model, SharedEngine engine) {
  return new BoundsWorker(info, std::move(model), std::move(engine));
}

}  // namespace bulwark::addon
