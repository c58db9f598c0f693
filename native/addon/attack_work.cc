#include <algorithm>
#include <atomic>
#include <optional>

#include "addon/attack_result.h"
#include "addon/problem_arguments.h"
#include "addon/work.h"
#include "attack/pgd.h"
#include "bounds/workers.h"

namespace bulwark::addon {

namespace {

class AttackWorker final : public PromiseWorker {
 public:
  AttackWorker(const Napi::CallbackInfo& info, SharedModel model, SharedEngine engine)
      : PromiseWorker(info.Env(), Control::read(info, 4)),
        model_(std::move(model)),
        engine_(std::move(engine)) {
    region_ = readRegion(objectArgument(info, 1, "region"), *model_);
    specification_ = readRows(objectArgument(info, 2, "rows"), *model_, region_.count);
    const Fields fields(objectArgument(info, 3, "options"), "options");
    options_.steps = fields.integer("steps", 0);
    options_.restarts = fields.integer("restarts", 0);
    options_.stepSize = fields.number("stepSize");
    options_.seed = static_cast<uint64_t>(fields.integer("seed", 0));
    options_.stopWhenFalsified = fields.boolean("stopWhenFalsified");
    timeLimit_ = fields.number("timeLimit");
  }

 private:
  void execute() override {
    const StopCheck stop = withTimeLimit([this] { return cancelled(); }, timeLimit_);
    result_.emplace(region_, specification_);
    Workers workers(engine_->pool, *engine_->device);
    const std::shared_ptr<const Prepared> prepared = model_->preparedFor(engine_->device);
    const int chunk = attackChunk(specification_.rowCount, workers.main());
    std::atomic<long> done{0};
    workers.each((region_.count + chunk - 1) / chunk, [&](int index, Backend& backend) {
      const int first = index * chunk;
      const int count = std::min(chunk, region_.count - first);
      attackImages(model_->network, prepared->plans, backend, region_, specification_, first, count, options_,
                   stop, *result_);
      progress(done += count, region_.count);
    });
  }

  Napi::Value result(Napi::Env env) override { return attackResult(env, *result_, model_->inputOrder); }

  const SharedModel model_;
  const SharedEngine engine_;
  Region region_;
  Specification specification_;
  AttackOptions options_;
  double timeLimit_ = 0;
  std::optional<AttackResult> result_;
};

}  // namespace

PromiseWorker* attackWork(const Napi::CallbackInfo& info, SharedModel model, SharedEngine engine) {
  return new AttackWorker(info, std::move(model), std::move(engine));
}

}  // namespace bulwark::addon
