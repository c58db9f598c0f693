#include "addon/attack_result.h"

#include "addon/arguments.h"
#include "addon/problem_arguments.h"

namespace bulwark::addon {

Napi::Object attackResult(Napi::Env env, const AttackResult& found, const std::vector<int32_t>& inputOrder) {
  Napi::Object out = Napi::Object::New(env);
  out.Set("value", float64Array(env, found.value));
  out.Set("margin", float64Array(env, found.margin));
  out.Set("row", int32Array(env, {found.row.begin(), found.row.end()}));
  out.Set("point", float64Array(env, toOnnx(found.point, inputOrder)));
  return out;
}

}  // namespace bulwark::addon
