// Regions, rows and options from JavaScript (src/binding.ts) into the engine's types, features in stored
// order.
#pragma once

#include <napi.h>

#include <optional>

#include "addon/network_object.h"
#include "bounds/options.h"
#include "bounds/problem.h"

namespace bulwark::addon {

Region readRegion(Napi::Object object, const Model& model);
Specification readRows(Napi::Object object, const Model& model, int count);
BoundsOptions readBoundsOptions(Napi::Object object);
/// `assurance`: in which arithmetic bounds are to be proven; nothing for 'none'.
std::optional<ProofOptions> readProofOptions(Napi::Object object);

/// `rows` vectors of order.size() features: ONNX order to stored order, and back.
std::vector<double> toStored(const std::vector<double>& values, const std::vector<int32_t>& order);
template <class Number>
std::vector<double> toOnnx(const std::vector<Number>& values, const std::vector<int32_t>& order) {
  std::vector<double> out(values.size());
  for (size_t base = 0; base < values.size(); base += order.size()) {
    for (size_t i = 0; i < order.size(); ++i) out[base + order[i]] = values[base + i];
  }
  return out;
}

}  // namespace bulwark::addon
