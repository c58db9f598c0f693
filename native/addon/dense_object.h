// `createDense({threads, device}): NativeDense`: row-major arithmetic, on the CPU synchronous and on the
// caller's Float32Arrays, on a GPU queued and on arrays that `allocate` made there.
#pragma once

#include <napi.h>

#include <memory>

#include "kernels/device.h"

namespace bulwark::addon {

class DenseObject : public Napi::ObjectWrap<DenseObject> {
 public:
  explicit DenseObject(const Napi::CallbackInfo& info);

  static Napi::Function define(Napi::Env env);
  /// Null where the value is no such object.
  static const DenseObject* from(Napi::Value value);
  const std::shared_ptr<Dense>& shared() const { return dense_; }

 private:
  template <void (DenseObject::*operation)(const Napi::CallbackInfo&)>
  void guarded(const Napi::CallbackInfo& info);

  Napi::Value threads(const Napi::CallbackInfo& info);
  Napi::Value stepsAhead(const Napi::CallbackInfo& info);
  Napi::Value allocate(const Napi::CallbackInfo& info);
  void upload(const Napi::CallbackInfo& info);
  void download(const Napi::CallbackInfo& info);
  void fill(const Napi::CallbackInfo& info);
  void copy(const Napi::CallbackInfo& info);
  void gemm(const Napi::CallbackInfo& info);
  void unary(const Napi::CallbackInfo& info);
  void binary(const Napi::CallbackInfo& info);
  void addReduced(const Napi::CallbackInfo& info);
  void scale(const Napi::CallbackInfo& info);
  void combine(const Napi::CallbackInfo& info);
  void normalise(const Napi::CallbackInfo& info);
  void clipFactor(const Napi::CallbackInfo& info);
  void gather(const Napi::CallbackInfo& info);
  void scatterAdd(const Napi::CallbackInfo& info);
  void largestOfRows(const Napi::CallbackInfo& info);
  void largestGradient(const Napi::CallbackInfo& info);
  void logSumExpOfRows(const Napi::CallbackInfo& info);
  void gateRows(const Napi::CallbackInfo& info);
  void crossEntropies(const Napi::CallbackInfo& info);
  void crossEntropyGradient(const Napi::CallbackInfo& info);
  void countCorrect(const Napi::CallbackInfo& info);
  void keepLarger(const Napi::CallbackInfo& info);
  void convolve(const Napi::CallbackInfo& info);
  void convolveInput(const Napi::CallbackInfo& info);
  void convolveWeight(const Napi::CallbackInfo& info);
  void adam(const Napi::CallbackInfo& info);
  void signStep(const Napi::CallbackInfo& info);
  void signStepAlong(const Napi::CallbackInfo& info);
  void uniform(const Napi::CallbackInfo& info);
  void gaussian(const Napi::CallbackInfo& info);

  std::shared_ptr<Device> source_;
  std::shared_ptr<Dense> dense_;
  const Dense* device_ = nullptr;  // the same where arrays lie on a device
};

}  // namespace bulwark::addon
