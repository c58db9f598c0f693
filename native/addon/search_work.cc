#include "addon/attack_result.h"
#include "addon/bounding_worker.h"
#include "addon/evidence.h"

namespace bulwark::addon {

namespace {

class SearchWorker final : public BoundingWorker {
 public:
  SearchWorker(const Napi::CallbackInfo& info, SharedModel model, SharedEngine engine)
      : BoundingWorker(info, std::move(model), std::move(engine)) {
    const Fields fields(objectArgument(info, 3, "options"), "options");
    search_.subproblems = fields.integer("subproblems", 0);
    search_.boxSubproblems = fields.integer("boxSubproblems", 0);
    search_.memory = static_cast<size_t>(fields.integer("memory", 0)) << 20;
    search_.falsify = fields.boolean("falsify");
    search_.headroom = options_.headroom;
    wantsLeaves_ = options_.multipliers;
    search_.leaves = options_.multipliers = options_.multipliers || proof_.has_value();
    if (proof_) proof_->ownBoxes = !wantsLeaves_;
  }

 private:
  void believe(const Prepared& prepared, Workers& workers, const StopCheck& stop,
               const bulwark::Progress& report) override {
    result_ = completeBounds(prepared, region_, specification_, options_, search_, workers, stop, report);
  }

  void prove(const ProvenBounds& proven) override { result_ = proven.search(search_); }

  Napi::Value result(Napi::Env env) override {
    Napi::Object out = outcome(env);
    out.Set("lower", float64Array(env, result_.lower));
    out.Set("timedOut", uint8Array(env, result_.timedOut));
    out.Set("subproblems", float64Array(env, {result_.subproblems.begin(), result_.subproblems.end()}));
    out.Set("limits", limits(env));
    if (result_.attack) out.Set("attack", attackResult(env, *result_.attack, model_->inputOrder));
    if (!wantsLeaves_) return out;
    out.Set("boxes", boxesArray(env, model_->network, result_.boxes));
    Napi::Array rows = Napi::Array::New(env, result_.leaves.size());
    for (size_t row = 0; row < result_.leaves.size(); ++row) rows.Set(row, leaves(env, result_.leaves[row]));
    out.Set("leaves", rows);
    return out;
  }

  /// Per image, what ended its search undecided; an image that the time cut short counts as that.
  Napi::Array limits(Napi::Env env) const {
    const auto nameOf = [&](size_t image) {
      if (result_.timedOut[image]) return "time";
      switch (result_.limit[image]) {
        case Limit::subproblems:
          return "subproblems";
        case Limit::memory:
          return "memory";
        case Limit::splits:
          return "splits";
        case Limit::falsified:
          return "falsified";
        default:
          return "none";
      }
    };
    Napi::Array out = Napi::Array::New(env, result_.limit.size());
    for (size_t i = 0; i < result_.limit.size(); ++i) out.Set(i, nameOf(i));
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

  SearchOptions search_;
  bool wantsLeaves_ = false;
  CompleteResult result_;
};

}  // namespace

PromiseWorker* searchWork(const Napi::CallbackInfo& info, SharedModel model, SharedEngine engine) {
  return new SearchWorker(info, std::move(model), std::move(engine));
}

}  // namespace bulwark::addon
