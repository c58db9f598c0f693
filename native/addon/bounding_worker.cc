#include "addon/bounding_worker.h"

namespace bulwark::addon {

BoundingWorker::BoundingWorker(const Napi::CallbackInfo& info, SharedModel model, SharedEngine engine)
    : PromiseWorker(info.Env(), Control::read(info, 4)),
      model_(std::move(model)),
      engine_(std::move(engine)) {
  region_ = readRegion(objectArgument(info, 1, "region"), *model_);
  specification_ = readRows(objectArgument(info, 2, "rows"), *model_, region_.count);
  const Napi::Object options = objectArgument(info, 3, "options");
  options_ = readBoundsOptions(options);
  proof_ = readProofOptions(options);
  options_.headroom = headroomFor(proof_);
}

void BoundingWorker::execute() {
  Workers workers(engine_->pool, *engine_->device);
  const std::shared_ptr<const Prepared> prepared = model_->preparedFor(engine_->device);
  const StopCheck stop = [this] { return cancelled(); };
  const bulwark::Progress report = [this](long done, long total) { progress(done, total); };
  if (proof_) {
    const ProofModelSource source = [this](const StopCheck& stopOrLate) {
      return model_->proof(needsBalls(region_, options_.method), stopOrLate, onPool(engine_->pool));
    };
    prove({*prepared, region_, specification_, options_, *proof_, source, workers, engine_->pool, stop,
           report});
  } else {
    believe(*prepared, workers, stop, report);
  }
  notes_ = workers.notes();
}

Napi::Object BoundingWorker::outcome(Napi::Env env) const {
  Napi::Object out = Napi::Object::New(env);
  if (!notes_.empty()) out.Set("notes", textArray(env, notes_));
  return out;
}

}  // namespace bulwark::addon
