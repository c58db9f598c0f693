#include "addon/evidence.h"

#include <algorithm>

namespace bulwark::addon {

namespace {

using Order = std::vector<int32_t>;  // [stored position] = ONNX feature

std::vector<int> reluNodes(const Network& network) {
  std::vector<int> out;
  for (size_t id = 0; id < network.nodes.size(); ++id) {
    if (network.nodes[id].kind == NodeKind::relu) out.push_back(static_cast<int>(id));
  }
  return out;
}

/// The feature orders of the ReLUs that lead to a node, in topological order.
std::vector<Order> ordersBelow(const Network& network, int target) {
  std::vector<char> leads(network.nodes.size(), 0);
  leads[target] = 1;
  for (int id = target; id >= 0; --id) {
    if (!leads[id]) continue;
    for (int from : network.nodes[id].inputs) leads[from] = 1;
  }
  std::vector<Order> orders;
  for (int relu : reluNodes(network)) {
    if (leads[relu]) orders.push_back(network.order(relu));
  }
  return orders;
}

/// Every ReLU leads to the output.
std::vector<Order> allOrders(const Network& network) {
  return ordersBelow(network, static_cast<int>(network.nodes.size()) - 1);
}

/// One row's multipliers of the ReLUs below a target, each slope in ONNX order, one after the other.
void copySlopes(const Multipliers& given, const std::vector<Order>& orders, float* to) {
  for (size_t k = 0; k < given.slope.size(); ++k) {
    for (size_t i = 0; i < orders[k].size(); ++i) to[orders[k][i]] = given.slope[k][i];
    to += orders[k].size();
  }
}

}  // namespace

Napi::Array boxesArray(Napi::Env env, const Network& network, const std::vector<BoxClaim>& boxes) {
  const std::vector<int> relus = reluNodes(network);
  Napi::Array out = Napi::Array::New(env, boxes.size());
  int ordered = -1;  // claims come ReLU by ReLU
  Order own;
  std::vector<Order> below;
  for (size_t i = 0; i < boxes.size(); ++i) {
    const Napi::HandleScope scope(env);
    const BoxClaim& box = boxes[i];
    if (box.relu != ordered) {
      ordered = box.relu;
      own = network.order(relus[ordered]);
      below = ordersBelow(network, network.nodes[relus[ordered]].inputs[0]);
    }
    size_t features = 0;
    for (const auto& slope : box.multipliers.slope) features += slope.size();
    auto slope = Napi::Float32Array::New(env, features);
    auto lambda = Napi::Float32Array::New(env, box.multipliers.lambda.size());
    copySlopes(box.multipliers, below, slope.Data());
    std::copy(box.multipliers.lambda.begin(), box.multipliers.lambda.end(), lambda.Data());
    Napi::Object entry = Napi::Object::New(env);
    entry.Set("image", box.image);
    entry.Set("relu", box.relu);
    entry.Set("feature", own[box.feature]);
    entry.Set("sign", box.sign);
    entry.Set("slope", slope);
    entry.Set("lambda", lambda);
    entry.Set("inputLambda", box.multipliers.inputLambda);
    entry.Set("splits", splitsArray(env, network, box.splits));
    out.Set(static_cast<uint32_t>(i), entry);
  }
  return out;
}

Napi::Object multipliersObject(Napi::Env env, const Network& network, const std::vector<Multipliers>& rows) {
  const auto orders = allOrders(network);
  size_t features = 0;
  for (const auto& order : orders) features += order.size();
  auto slope = Napi::Float32Array::New(env, rows.size() * features);
  auto lambda = Napi::Float32Array::New(env, rows.size() * orders.size());
  auto inputLambda = Napi::Float32Array::New(env, rows.size());
  for (size_t row = 0; row < rows.size(); ++row) {
    const Multipliers& given = rows[row];
    if (given.lambda.size() != orders.size()) continue;
    copySlopes(given, orders, slope.Data() + row * features);
    std::copy(given.lambda.begin(), given.lambda.end(), lambda.Data() + row * orders.size());
    inputLambda[row] = given.inputLambda;
  }
  Napi::Object out = Napi::Object::New(env);
  out.Set("slope", slope);
  out.Set("lambda", lambda);
  out.Set("inputLambda", inputLambda);
  return out;
}

Napi::Int32Array splitsArray(Napi::Env env, const Network& network, const std::vector<Split>& splits) {
  if (splits.empty()) return Napi::Int32Array::New(env, 0);
  const auto orders = allOrders(network);
  auto out = Napi::Int32Array::New(env, 3 * splits.size());
  for (size_t i = 0; i < splits.size(); ++i) {
    out[3 * i] = splits[i].relu;
    out[3 * i + 1] = orders[splits[i].relu][splits[i].feature];
    out[3 * i + 2] = splits[i].active ? 1 : 0;
  }
  return out;
}

}  // namespace bulwark::addon
