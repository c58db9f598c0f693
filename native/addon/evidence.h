// What proves bounds, on its way to JavaScript: multipliers and splits in graph order and ONNX feature order.
#pragma once

#include <napi.h>

#include <vector>

#include "bounds/images.h"

namespace bulwark::addon {

/// NativeMultipliers, one entry per row; rows without multipliers hold zeros.
Napi::Object multipliersObject(Napi::Env env, const Network& network, const std::vector<Multipliers>& rows);
/// NativeBox[]: the claims that boxes rely on.
Napi::Array boxesArray(Napi::Env env, const Network& network, const std::vector<BoxClaim>& boxes);
/// [splits * 3]: ReLU, feature, 1 for active or 0.
Napi::Int32Array splitsArray(Napi::Env env, const Network& network, const std::vector<Split>& splits);

}  // namespace bulwark::addon
