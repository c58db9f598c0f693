#include "addon/network_object.h"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string_view>

#include "addon/arguments.h"
#include "addon/instance.h"

namespace bulwark::addon {

namespace {

template <size_t Count>
std::array<int, Count> fixed(const Fields& fields, const char* name) {
  const std::vector<int> values = fields.integers(name);
  if (values.size() != Count) throw fields.wrong(name, std::to_string(Count) + " integers");
  std::array<int, Count> out;
  for (size_t i = 0; i < Count; ++i) out[i] = values[i];
  return out;
}

graph::Node readNode(const Fields& fields) {
  graph::Node node;
  node.name = fields.text("name");
  node.shape = fields.integers("shape");
  const std::string op = fields.text("op");
  if (op == "add") {
    node.inputs = fields.integers("inputs");
    node.op = graph::Add{};
    return node;
  }
  if (op == "input") {
    node.op = graph::Input{};
    return node;
  }
  node.inputs = {fields.integer("input", 0)};
  if (op == "linear") {
    node.op = graph::Linear{fields.weights("weight"), fields.weights("bias")};
  } else if (op == "conv") {
    node.op = graph::Conv{.weight = fields.weights("weight"),
                          .bias = fields.weights("bias"),
                          .kernel = fixed<2>(fields, "kernel"),
                          .strides = fixed<2>(fields, "strides"),
                          .dilations = fixed<2>(fields, "dilations"),
                          .pads = fixed<4>(fields, "pads"),
                          .group = fields.integer("group", 1)};
  } else if (op == "scale") {
    node.op = graph::Scale{fields.weights("scale"), fields.weights("shift")};
  } else if (op == "index") {
    node.op = graph::Index{fields.int32s("indices")};
  } else if (op == "reshape") {
    node.op = graph::Reshape{};
  } else if (op == "relu") {
    node.op = graph::Relu{};
  } else {
    throw fields.wrong("op", "a graph operator, given '" + op + "'");
  }
  return node;
}

}  // namespace

Model::Model(std::vector<graph::Node> nodes)
    : network(lower(nodes)),
      prepared(network, *makeCpuBackend()),
      inputOrder(network.order(0)),
      outputOrder(network.order(static_cast<int>(network.nodes.size()) - 1)),
      graph_(std::move(nodes)) {}

std::shared_ptr<const Prepared> Model::preparedFor(const std::shared_ptr<Device>& device) const {
  if (std::string_view(device->kind()) == "cpu") return {std::shared_ptr<const Prepared>(), &prepared};
  const std::lock_guard lock(mutex_);
  if (device_.lock() != device) {
    onDevice_ = std::make_shared<const Prepared>(network, *device->makeBackend(), &prepared);
    device_ = device;
  }
  return onDevice_;
}

std::optional<ProofModel> Model::proof(bool balls, const StopCheck& stop, const ParallelFor& parallel) const {
  if (balls && !prepared.computeNorms(stop, parallel)) return {};
  const std::lock_guard lock(mutex_);
  std::optional<proof::ProofNetwork>& proof = proofs_[balls];
  if (!proof) {
    const auto norm = [&](const Affine& affine) {
      if (!balls) return std::numeric_limits<double>::infinity();  // the Frobenius norm will do
      const auto known = std::find(network.affines.begin(), network.affines.end(), affine);
      if (known == network.affines.end()) return spectralNormBound(affine, parallel, stopAt(stop));
      return prepared.norms().spectral[known - network.affines.begin()];
    };
    try {
      proof.emplace(graph_, norm);
    } catch (const Stopped&) {
      return {};
    }
  }
  const auto positions = [](const std::vector<int32_t>& proven, const std::vector<int32_t>& engine) {
    std::vector<int32_t> at(engine.size()), out;
    for (size_t i = 0; i < engine.size(); ++i) at[engine[i]] = static_cast<int32_t>(i);
    for (int32_t feature : proven) out.push_back(at[feature]);
    return out;
  };
  const Network& exact = proof->network();
  const int output = static_cast<int>(exact.nodes.size()) - 1;
  return ProofModel{*proof, positions(exact.order(0), inputOrder),
                    positions(exact.order(output), outputOrder)};
}

std::shared_ptr<const Model> modelArgument(const Napi::CallbackInfo& info) {
  const Napi::Object object = objectArgument(info, 0, "network");
  if (!object.InstanceOf(instanceOf(info.Env()).network.Value())) {
    throw argumentError(info.Env(), "network: expected a network of createNetwork()");
  }
  return Napi::ObjectWrap<NetworkObject>::Unwrap(object)->model();
}

NetworkObject::NetworkObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<NetworkObject>(info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 1 || !info[0].IsArray())
    throw argumentError(env, "createNetwork: expected an array of nodes");
  const auto array = info[0].As<Napi::Array>();
  std::vector<graph::Node> nodes;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::Value element = array.Get(i);
    const std::string where = "nodes[" + std::to_string(i) + "]";
    if (!element.IsObject()) throw argumentError(env, where + ": expected a graph node");
    nodes.push_back(readNode(Fields(element.As<Napi::Object>(), where)));
  }
  try {
    model_ = std::make_shared<const Model>(std::move(nodes));
  } catch (const std::invalid_argument& error) {
    throw codedError(env, "ERR_SHAPE", error.what());
  }
}

Napi::Function NetworkObject::define(Napi::Env env) {
  return DefineClass(env, "Network",
                     {InstanceAccessor<&NetworkObject::inputSize>("inputSize"),
                      InstanceAccessor<&NetworkObject::outputSize>("outputSize")});
}

Napi::Value NetworkObject::inputSize(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), model_->network.inputSize());
}

Napi::Value NetworkObject::outputSize(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), model_->network.outputSize());
}

}  // namespace bulwark::addon
