#include <atomic>

#include "addon/problem_arguments.h"
#include "addon/work.h"
#include "sampling/class_counts.h"

namespace bulwark::addon {

namespace {

class ClassCountsWorker final : public PromiseWorker {
 public:
  ClassCountsWorker(const Napi::CallbackInfo& info, SharedModel model, SharedEngine engine)
      : PromiseWorker(info.Env(), Control::read(info, 2)),
        model_(std::move(model)),
        engine_(std::move(engine)) {
    const Fields fields(objectArgument(info, 1, "options"), "options");
    const std::vector<int32_t> streams = fields.int32s("streams");
    images_.streams.assign(streams.begin(), streams.end());
    const std::vector<double> centers =
        toStored(fields.doubles("center", streams.size() * model_->network.inputSize()), model_->inputOrder);
    images_.centers.assign(centers.begin(), centers.end());
    images_.sigma = static_cast<float>(fields.number("sigma"));
    images_.seed = static_cast<uint64_t>(fields.integer("seed", 0));
    images_.first = static_cast<uint32_t>(fields.integer("first", 0));
    images_.samples = static_cast<uint32_t>(fields.integer("samples", 1));
  }

 private:
  void execute() override {
    std::atomic<long> done{0};
    const long total = static_cast<long>(images_.streams.size()) * images_.samples;
    Workers workers(engine_->pool, *engine_->device);
    const std::shared_ptr<const Prepared> prepared = model_->preparedFor(engine_->device);
    counts_ = countClasses(
        model_->network, prepared->plans, workers, images_, [this] { return cancelled(); },
        [&](uint32_t samples) { progress(done += samples, total); });
  }

  Napi::Value result(Napi::Env env) override {
    const size_t outputs = model_->outputOrder.size();
    std::vector<double> counts(counts_.size());
    for (size_t base = 0; base < counts.size(); base += outputs + 1) {
      for (size_t i = 0; i < outputs; ++i)
        counts[base + model_->outputOrder[i]] = static_cast<double>(counts_[base + i]);
      counts[base + outputs] = static_cast<double>(counts_[base + outputs]);
    }
    return float64Array(env, counts);
  }

  const SharedModel model_;
  const SharedEngine engine_;
  NoisyImages images_;
  std::vector<int64_t> counts_;
};

}  // namespace

PromiseWorker* classCountsWork(const Napi::CallbackInfo& info, SharedModel model, SharedEngine engine) {
  return new ClassCountsWorker(info, std::move(model), std::move(engine));
}

}  // namespace bulwark::addon
