#include "addon/work.h"

namespace bulwark::addon {

namespace {

class NormsWorker final : public PromiseWorker {
 public:
  NormsWorker(const Napi::CallbackInfo& info, SharedModel model, SharedPool pool)
      : PromiseWorker(info.Env(), Control::read(info, 1)), model_(std::move(model)), pool_(std::move(pool)) {}

 private:
  void execute() override {
    model_->prepared.computeNorms([this] { return cancelled(); }, onPool(*pool_));
  }

  Napi::Value result(Napi::Env env) override {
    const Network& network = model_->network;
    const Norms& norms = model_->prepared.norms();
    Napi::Array out = Napi::Array::New(env);
    for (const Node& node : network.nodes) {
      if (node.kind != NodeKind::affine) continue;
      Napi::Object entry = Napi::Object::New(env);
      entry.Set("name", node.name);
      entry.Set("inputSize", inputSize(network.affines[node.affine]));
      entry.Set("outputSize", outputSize(network.affines[node.affine]));
      entry.Set("norm", norms.spectral[node.affine]);
      out.Set(out.Length(), entry);
    }
    return out;
  }

  const SharedModel model_;
  const SharedPool pool_;
};

}  // namespace

PromiseWorker* normsWork(const Napi::CallbackInfo& info, SharedModel model, SharedPool pool) {
  return new NormsWorker(info, std::move(model), std::move(pool));
}

}  // namespace bulwark::addon
