// What attacks found, on its way to JavaScript.
#pragma once

#include <napi.h>

#include <vector>

#include "attack/replay.h"

namespace bulwark::addon {

/// NativeAttackResult; inputOrder: [stored position] = ONNX feature.
Napi::Object attackResult(Napi::Env env, const AttackResult& found, const std::vector<int32_t>& inputOrder);

}  // namespace bulwark::addon
