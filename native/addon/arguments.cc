#include "addon/arguments.h"

#include <algorithm>
#include <cmath>

namespace bulwark::addon {

Napi::Error codedError(Napi::Env env, const char* code, const std::string& message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, code));
  return error;
}

Napi::Error argumentError(Napi::Env env, const std::string& message) {
  return codedError(env, "ERR_INVALID_ARGUMENT", message);
}

Napi::Object objectArgument(const Napi::CallbackInfo& info, size_t index, const char* name) {
  if (index >= info.Length() || !info[index].IsObject()) {
    throw argumentError(info.Env(), std::string("expected an object as '") + name + "'");
  }
  return info[index].As<Napi::Object>();
}

Napi::Error Fields::wrong(const char* name, const std::string& expected) const {
  return argumentError(object_.Env(), where_ + "." + name + ": expected " + expected);
}

bool Fields::has(const char* name) const {
  const Napi::Value value = get(name);
  return !value.IsUndefined() && !value.IsNull();
}

double Fields::number(const char* name) const {
  const Napi::Value value = get(name);
  if (!value.IsNumber() || std::isnan(value.As<Napi::Number>().DoubleValue())) throw wrong(name, "a number");
  return value.As<Napi::Number>().DoubleValue();
}

int Fields::integer(const char* name, int least) const {
  const double value = number(name);
  if (value != std::floor(value) || value < least || value > 2147483647.0) {
    throw wrong(name, "an integer of at least " + std::to_string(least) + ", given " + std::to_string(value));
  }
  return static_cast<int>(value);
}

bool Fields::boolean(const char* name) const {
  const Napi::Value value = get(name);
  if (!value.IsBoolean()) throw wrong(name, "true or false");
  return value.As<Napi::Boolean>().Value();
}

std::string Fields::text(const char* name) const {
  const Napi::Value value = get(name);
  if (!value.IsString()) throw wrong(name, "a string");
  return value.As<Napi::String>().Utf8Value();
}

Napi::Object Fields::object(const char* name) const {
  const Napi::Value value = get(name);
  if (!value.IsObject()) throw wrong(name, "an object");
  return value.As<Napi::Object>();
}

std::vector<double> Fields::doubles(const char* name, size_t length) const {
  const Napi::Value value = get(name);
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_float64_array) {
    throw wrong(name, "a Float64Array");
  }
  const auto array = value.As<Napi::Float64Array>();
  if (array.ElementLength() != length) {
    throw wrong(name, std::to_string(length) + " elements, given " + std::to_string(array.ElementLength()));
  }
  return {array.Data(), array.Data() + length};
}

std::vector<double> Fields::weights(const char* name) const {
  const Napi::Value value = get(name);
  if (value.IsTypedArray()) {
    const auto array = value.As<Napi::TypedArray>();
    if (array.TypedArrayType() == napi_float64_array) {
      const auto doubles = value.As<Napi::Float64Array>();
      return {doubles.Data(), doubles.Data() + doubles.ElementLength()};
    }
    if (array.TypedArrayType() == napi_float32_array) {
      const auto floats = value.As<Napi::Float32Array>();
      return {floats.Data(), floats.Data() + floats.ElementLength()};
    }
  }
  throw wrong(name, "a Float32Array or Float64Array");
}

std::vector<int32_t> Fields::int32s(const char* name) const {
  const Napi::Value value = get(name);
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_int32_array) {
    throw wrong(name, "an Int32Array");
  }
  const auto array = value.As<Napi::Int32Array>();
  return {array.Data(), array.Data() + array.ElementLength()};
}

std::vector<int> Fields::integers(const char* name) const {
  const Napi::Value value = get(name);
  if (!value.IsArray()) throw wrong(name, "an array of integers");
  const auto array = value.As<Napi::Array>();
  std::vector<int> out;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::Value element = array.Get(i);
    if (!element.IsNumber()) throw wrong(name, "an array of integers");
    out.push_back(element.As<Napi::Number>().Int32Value());
  }
  return out;
}

Napi::Float64Array float64Array(Napi::Env env, const std::vector<double>& values) {
  auto array = Napi::Float64Array::New(env, values.size());
  std::copy(values.begin(), values.end(), array.Data());
  return array;
}

Napi::Int32Array int32Array(Napi::Env env, const std::vector<int32_t>& values) {
  auto array = Napi::Int32Array::New(env, values.size());
  std::copy(values.begin(), values.end(), array.Data());
  return array;
}

Napi::Array textArray(Napi::Env env, const std::set<std::string>& texts) {
  Napi::Array array = Napi::Array::New(env);
  for (const std::string& text : texts) array.Set(array.Length(), text);
  return array;
}

Napi::Uint8Array uint8Array(Napi::Env env, const std::vector<uint8_t>& values) {
  auto array = Napi::Uint8Array::New(env, values.size());
  std::copy(values.begin(), values.end(), array.Data());
  return array;
}

}  // namespace bulwark::addon
