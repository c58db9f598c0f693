// `createDense({threads}): NativeDense`: row-major arithmetic on the caller's Float32Arrays, synchronous.
#pragma once

#include <napi.h>

#include "kernels/dense.h"

namespace bulwark::addon {

class DenseObject : public Napi::ObjectWrap<DenseObject> {
 public:
  explicit DenseObject(const Napi::CallbackInfo& info);

  static Napi::Function define(Napi::Env env);

 private:
  Napi::Value threads(const Napi::CallbackInfo& info);
  void gemm(const Napi::CallbackInfo& info);
  void unary(const Napi::CallbackInfo& info);
  void binary(const Napi::CallbackInfo& info);
  void addReduced(const Napi::CallbackInfo& info);
  void scale(const Napi::CallbackInfo& info);
  void combine(const Napi::CallbackInfo& info);
  void gather(const Napi::CallbackInfo& info);
  void scatterAdd(const Napi::CallbackInfo& info);
  void largestOfRows(const Napi::CallbackInfo& info);
  void logSumExpOfRows(const Napi::CallbackInfo& info);
  void gateRows(const Napi::CallbackInfo& info);
  void crossEntropies(const Napi::CallbackInfo& info);
  void crossEntropyGradient(const Napi::CallbackInfo& info);
  void convolve(const Napi::CallbackInfo& info);
  void convolveInput(const Napi::CallbackInfo& info);
  void convolveWeight(const Napi::CallbackInfo& info);
  void adam(const Napi::CallbackInfo& info);
  void signStep(const Napi::CallbackInfo& info);
  void signStepAlong(const Napi::CallbackInfo& info);
  void uniform(const Napi::CallbackInfo& info);
  void gaussian(const Napi::CallbackInfo& info);

  std::unique_ptr<Dense> dense_;
};

}  // namespace bulwark::addon
