// Reading JavaScript values with errors that name what was given and what was expected.
#pragma once

#include <napi.h>

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bulwark::addon {

/// A JavaScript error with a `.code`, as src/errors.ts has them.
Napi::Error codedError(Napi::Env env, const char* code, const std::string& message);
/// ERR_INVALID_ARGUMENT.
Napi::Error argumentError(Napi::Env env, const std::string& message);

Napi::Object objectArgument(const Napi::CallbackInfo& info, size_t index, const char* name);

/// Properties of an options object; `where` names the object in errors.
class Fields {
 public:
  Fields(Napi::Object object, std::string where) : object_(object), where_(std::move(where)) {}

  bool has(const char* name) const;
  double number(const char* name) const;
  int integer(const char* name, int least) const;
  bool boolean(const char* name) const;
  std::string text(const char* name) const;
  Napi::Object object(const char* name) const;
  /// A Float64Array of exactly `length` elements.
  std::vector<double> doubles(const char* name, size_t length) const;
  /// A Float32Array or Float64Array of any length.
  std::vector<double> weights(const char* name) const;
  std::vector<int32_t> int32s(const char* name) const;
  /// A plain array of integers.
  std::vector<int> integers(const char* name) const;
  /// The value for the text property `name`, from a list of allowed ones.
  template <class Value>
  Value choice(const char* name, const std::vector<std::pair<const char*, Value>>& allowed) const {
    const std::string given = text(name);
    std::string expected;
    for (const auto& [label, value] : allowed) {
      if (given == label) return value;
      expected += std::string(expected.empty() ? "" : ", ") + label;
    }
    throw wrong(name, "one of " + expected + ", given '" + given + "'");
  }

  Napi::Error wrong(const char* name, const std::string& expected) const;

 private:
  Napi::Value get(const char* name) const { return object_.Get(name); }

  Napi::Object object_;
  std::string where_;
};

Napi::Float64Array float64Array(Napi::Env env, const std::vector<double>& values);
Napi::Int32Array int32Array(Napi::Env env, const std::vector<int32_t>& values);
Napi::Array textArray(Napi::Env env, const std::set<std::string>& texts);
Napi::Uint8Array uint8Array(Napi::Env env, const std::vector<uint8_t>& values);

}  // namespace bulwark::addon
