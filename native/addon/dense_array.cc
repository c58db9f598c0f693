#include "addon/dense_array.h"

#include "addon/arguments.h"
#include "addon/dense_object.h"

namespace bulwark::addon {

namespace {

constexpr napi_type_tag kTag = {0x6bd1c3a5f7e84f02, 0x9a3e5c7d1b2f4860};
constexpr double kMostFloats = 0x1p40;

}  // namespace

DenseArray::DenseArray(const Napi::CallbackInfo& info) : Napi::ObjectWrap<DenseArray>(info) {
  const DenseObject* owner = info.Length() == 2 ? DenseObject::from(info[0]) : nullptr;
  if (!owner) throw argumentError(info.Env(), "arrays are made by allocate");
  const double length = info[1].IsNumber() ? info[1].As<Napi::Number>().DoubleValue() : -1;
  if (!(length >= 0 && length <= kMostFloats && length == static_cast<double>(static_cast<size_t>(length))))
    throw argumentError(info.Env(), "allocate, argument 0: expected a whole number below 2^40");
  dense_ = owner->shared();
  size_ = static_cast<size_t>(length);
  try {
    buffer_ = dense_->allocate(size_);
  } catch (const DeviceError& error) {
    throw codedError(info.Env(), "ERR_DEVICE", error.what());
  }
  info.This().As<Napi::Object>().TypeTag(&kTag);
  weigh(1);
}

DenseArray::~DenseArray() {
  if (buffer_) weigh(-1);
}

Napi::Function DenseArray::define(Napi::Env env) {
  return DefineClass(
      env, "DeviceArray",
      {InstanceAccessor<&DenseArray::length>("length"), InstanceMethod<&DenseArray::free>("free")});
}

const DenseArray* DenseArray::from(Napi::Value value) {
  if (!value.IsObject()) return nullptr;
  const Napi::Object object = value.As<Napi::Object>();
  return object.CheckTypeTag(&kTag) ? Unwrap(object) : nullptr;
}

Napi::Value DenseArray::length(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(size_));
}

void DenseArray::free(const Napi::CallbackInfo&) {
  if (!buffer_) return;
  buffer_.reset();
  weigh(-1);
}

void DenseArray::weigh(double sign) const {
  const auto bytes = static_cast<int64_t>(sign * static_cast<double>(size_ * sizeof(float)));
  Napi::MemoryManagement::AdjustExternalMemory(Env(), bytes);
}

}  // namespace bulwark::addon
