#include "addon/work.h"

namespace bulwark::addon {

namespace {

class NormsWorker final : public PromiseWorker {
 public:
  NormsWorker(const Napi::CallbackInfo& info, SharedModel model, SharedEngine engine)
      : PromiseWorker(info.Env(), Control::read(info, 1)),
        model_(std::move(model)),
        engine_(std::move(engine)) {}

 private:
  void execute() override {
    model_->prepared.computeNorms([this] { return cancelled(); }, onPool(engine_->pool));
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
  const SharedEngine engine_;
};

}  // namespace

PromiseWorker* normsWork(const Napi::CallbackInfo& info, SharedModel model, SharedEngine engine) {
  return new NormsWorker(info, std::move(model), std::move(engine));
}

}  // namespace bulwark::addon
