// `dense.allocate(length): NativeDeviceArray`: an array in a GPU's memory, as JavaScript holds it.
#pragma once

#include <napi.h>

#include <memory>

#include "kernels/dense.h"

namespace bulwark::addon {

class DenseArray : public Napi::ObjectWrap<DenseArray> {
 public:
  /// (dense, length)
  explicit DenseArray(const Napi::CallbackInfo& info);
  ~DenseArray() override;

  static Napi::Function define(Napi::Env env);
  /// Null where the value is no such array.
  static const DenseArray* from(Napi::Value value);

  const Dense& dense() const { return *dense_; }
  float* data() const { return static_cast<float*>(buffer_->data()); }
  size_t size() const { return size_; }
  bool freed() const { return !buffer_; }

 private:
  Napi::Value length(const Napi::CallbackInfo& info);
  void free(const Napi::CallbackInfo& info);
  /// Tells the collector how much hangs on this small object.
  void weigh(double bytes) const;

  std::shared_ptr<Dense> dense_;
  size_t size_ = 0;
  std::unique_ptr<Buffer> buffer_;
};

}  // namespace bulwark::addon
