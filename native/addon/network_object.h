// `createNetwork(nodes): NativeNetwork`: an immutable network, shared with the work that runs on it.
#pragma once

#include <napi.h>

#include <memory>

#include "bounds/prepared.h"
#include "network/network.h"

namespace bulwark::addon {

/// A lowered network with its packed weights and cached norms.
struct Model {
  explicit Model(Network lowered);

  const Network network;
  const Prepared prepared;
  const std::vector<int32_t> inputOrder, outputOrder;  // [stored position] = ONNX feature
};

class NetworkObject : public Napi::ObjectWrap<NetworkObject> {
 public:
  explicit NetworkObject(const Napi::CallbackInfo& info);

  static Napi::Function define(Napi::Env env);
  const std::shared_ptr<const Model>& model() const { return model_; }

 private:
  Napi::Value inputSize(const Napi::CallbackInfo& info);
  Napi::Value outputSize(const Napi::CallbackInfo& info);

  std::shared_ptr<const Model> model_;
};

}  // namespace bulwark::addon
