// `createNetwork(nodes): NativeNetwork`: an immutable network, shared with the work that runs on it.
#pragma once

#include <napi.h>

#include <array>
#include <memory>
#include <mutex>
#include <optional>

#include "bounds/prepared.h"
#include "kernels/device.h"
#include "network/network.h"
#include "proof/proof_network.h"
#include "verdict/proven.h"

namespace bulwark::addon {

/// A lowered network with its packed weights and cached norms, and the same network for proofs.
class Model {
 public:
  explicit Model(std::vector<graph::Node> nodes);

  const Network network;
  const Prepared prepared;                             // for the CPU, and holds the norms
  const std::vector<int32_t> inputOrder, outputOrder;  // [stored position] = ONNX feature

  /// With plans for the device, made on its first use; lives no longer than the model.
  std::shared_ptr<const Prepared> preparedFor(const std::shared_ptr<Device>& device) const;

  /// Made on first use; nothing where `stop` fires first. Norms that the engine has proven are not proven
  /// again; without `balls`, for regions whose boxes say all that their balls do, no spectral norm is.
  std::optional<ProofModel> proof(bool balls, const StopCheck& stop, const ParallelFor& parallel) const;

 private:
  const std::vector<graph::Node> graph_;
  mutable std::mutex mutex_;
  mutable std::weak_ptr<Device> device_;
  mutable std::shared_ptr<const Prepared> onDevice_;
  mutable std::array<std::optional<proof::ProofNetwork>, 2> proofs_;  // by `balls`
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

/// Of the call's first argument.
std::shared_ptr<const Model> modelArgument(const Napi::CallbackInfo& info);

}  // namespace bulwark::addon
