#include "addon/evidence.h"

namespace bulwark::addon {

namespace {

/// The feature order of every ReLU: [ReLU][stored position] = ONNX feature.
std::vector<std::vector<int32_t>> reluOrders(const Network& network) {
  std::vector<std::vector<int32_t>> orders;
  for (size_t id = 0; id < network.nodes.size(); ++id) {
    if (network.nodes[id].kind == NodeKind::relu) orders.push_back(network.order(static_cast<int>(id)));
  }
  return orders;
}

}  // namespace

Napi::Object multipliersObject(Napi::Env env, const Network& network, const std::vector<Multipliers>& rows) {
  const auto orders = reluOrders(network);
  size_t features = 0;
  for (const auto& order : orders) features += order.size();
  auto slope = Napi::Float32Array::New(env, rows.size() * features);
  auto lambda = Napi::Float32Array::New(env, rows.size() * orders.size());
  auto inputLambda = Napi::Float32Array::New(env, rows.size());
  for (size_t row = 0; row < rows.size(); ++row) {
    const Multipliers& given = rows[row];
    if (given.lambda.size() != orders.size()) continue;
    float* to = slope.Data() + row * features;
    for (size_t k = 0; k < orders.size(); ++k) {
      for (size_t i = 0; i < orders[k].size(); ++i) to[orders[k][i]] = given.slope[k][i];
      to += orders[k].size();
      lambda[row * orders.size() + k] = given.lambda[k];
    }
    inputLambda[row] = given.inputLambda;
  }
  Napi::Object out = Napi::Object::New(env);
  out.Set("slope", slope);
  out.Set("lambda", lambda);
  out.Set("inputLambda", inputLambda);
  return out;
}

Napi::Int32Array splitsArray(Napi::Env env, const Network& network, const std::vector<Split>& splits) {
  const auto orders = reluOrders(network);
  auto out = Napi::Int32Array::New(env, 3 * splits.size());
  for (size_t i = 0; i < splits.size(); ++i) {
    out[3 * i] = splits[i].relu;
    out[3 * i + 1] = orders[splits[i].relu][splits[i].feature];
    out[3 * i + 2] = splits[i].active ? 1 : 0;
  }
  return out;
}

}  // namespace bulwark::addon
