#include "addon/evidence.h"
#include "addon/problem_arguments.h"
#include "addon/work.h"
#include "search/complete.h"

namespace bulwark::addon {

namespace {

class SearchWorker final : public PromiseWorker {
 public:
  SearchWorker(const Napi::CallbackInfo& info, SharedModel model, SharedEngine engine)
      : PromiseWorker(info.Env(), Control::read(info, 4)),
        model_(std::move(model)),
        engine_(std::move(engine)) {
    region_ = readRegion(objectArgument(info, 1, "region"), *model_);
    specification_ = readRows(objectArgument(info, 2, "rows"), *model_, region_.count);
    const Napi::Object options = objectArgument(info, 3, "options");
    options_ = readBoundsOptions(options);
    const Fields fields(options, "options");
    search_.subproblems = fields.integer("subproblems", 0);
    search_.boxSubproblems = fields.integer("boxSubproblems", 0);
    proof_ = readProofOptions(options);
    wantsLeaves_ = options_.multipliers;
    options_.headroom = search_.headroom = headroomFor(proof_);
    search_.leaves = options_.multipliers = options_.multipliers || proof_.has_value();
  }

 private:
  void execute() override {
    Workers workers(engine_->pool, *engine_->device);
    const std::shared_ptr<const Prepared> prepared = model_->preparedFor(engine_->device);
    const StopCheck stop = [this] { return cancelled(); };
    const bulwark::Progress report = [this](long done, long total) { progress(done, total); };
    if (!proof_) {
      result_ = completeBounds(*prepared, region_, specification_, options_, search_, workers, stop, report);
      notes_ = workers.notes();
      return;
    }
    const ProofModelSource source = [this](const StopCheck& stopOrLate) {
      return model_->proof(needsBalls(region_, options_.method), stopOrLate, onPool(engine_->pool));
    };
    const ProvenBounds proven{*prepared, region_, specification_, options_, *proof_,
                              source,    workers, engine_->pool,  stop,     report};
    result_ = proven.search(search_);
    notes_ = workers.notes();
  }

  Napi::Value result(Napi::Env env) override {
    Napi::Object out = Napi::Object::New(env);
    out.Set("lower", float64Array(env, result_.lower));
    out.Set("timedOut", uint8Array(env, result_.timedOut));
    if (!notes_.empty()) out.Set("notes", textArray(env, notes_));
    out.Set("subproblems", float64Array(env, {result_.subproblems.begin(), result_.subproblems.end()}));
    if (!wantsLeaves_) return out;
    out.Set("boxes", boxesArray(env, model_->network, result_.boxes));
    Napi::Array rows = Napi::Array::New(env, result_.leaves.size());
    for (size_t row = 0; row < result_.leaves.size(); ++row) rows.Set(row, leaves(env, result_.leaves[row]));
    out.Set("leaves", rows);
    return out;
  }

  /// NativeLeaf[] of one row.
  Napi::Array leaves(Napi::Env env, const std::vector<Leaf>& given) {
    Napi::Array out = Napi::Array::New(env, given.size());
    for (size_t i = 0; i < given.size(); ++i) {
      const Napi::HandleScope scope(env);
      Napi::Object leaf = multipliersObject(env, model_->network, {given[i].multipliers});
      leaf.Set("splits", splitsArray(env, model_->network, given[i].splits));
      leaf.Set("lower", given[i].bound);
      out.Set(i, leaf);
    }
    return out;
  }

  const SharedModel model_;
  const SharedEngine engine_;
  Region region_;
  Specification specification_;
  BoundsOptions options_;
  SearchOptions search_;
  std::optional<ProofOptions> proof_;
  bool wantsLeaves_ = false;
  CompleteResult result_;
  std::set<std::string> notes_;
};

}  // namespace

PromiseWorker* searchWork(const Napi::CallbackInfo& info, SharedModel model, SharedEngine engine) {
  return new SearchWorker(info, std::move(model), std::move(engine));
}

}  // namespace bulwark::addon
