// Arguments of the arithmetic's calls: positional and cheap to read, for a training step makes a hundred
// calls.
#pragma once

#include <napi.h>

#include <string>
#include <utility>

#include "kernels/dense.h"

namespace bulwark::addon {

class DenseArguments {
 public:
  /// `device`: the arithmetic whose memory arrays must lie in; null: arrays are Float32Arrays.
  DenseArguments(const Napi::CallbackInfo& info, const char* call, const Dense* device)
      : info_(info), call_(call), device_(device) {}

  struct Floats {
    float* data;
    size_t count;
  };

  bool has(size_t index) const { return index < info_.Length() && !info_[index].IsUndefined(); }
  Floats floats(size_t index) const;
  /// An array of exactly `count` elements.
  float* floats(size_t index, size_t count) const;
  /// The same, or null where nothing is given.
  float* optionalFloats(size_t index, size_t count) const {
    return has(index) ? floats(index, count) : nullptr;
  }
  /// A Float32Array, wherever the arithmetic computes.
  Floats hostFloats(size_t index) const;
  std::pair<const int32_t*, size_t> integers(size_t index) const;
  const int32_t* integers(size_t index, size_t count) const;
  double number(size_t index) const;
  float real(size_t index) const { return static_cast<float>(number(index)); }
  int size(size_t index) const;
  /// Where `count` elements begin in an array of `size`.
  size_t stretch(size_t index, size_t count, size_t size) const;
  /// A seed: a whole number below 2^53.
  uint64_t seed(size_t index) const;
  /// `count` indices, each -1 or below `limit`.
  const int32_t* indices(size_t index, size_t count, size_t limit) const;
  Napi::Error wrong(size_t index, const std::string& expected) const;

 private:
  std::pair<void*, size_t> typed(size_t index, napi_typedarray_type type, const char* expected) const;

  const Napi::CallbackInfo& info_;
  const char* call_;
  const Dense* device_;
};

inline size_t denseProduct(int a, int b) { return static_cast<size_t>(a) * static_cast<size_t>(b); }

/// `[rank, dims, strides of each strided operand]`, and how far each operand reaches.
struct DenseLoop {
  StridedLoop loop{};
  size_t dense = 1;
  std::array<size_t, 2> reach{1, 1};
};
DenseLoop readLoop(const DenseArguments& arguments, size_t index, size_t operands);

/// `[images, channels, height, width, outputs, kernel, strides, pads]`
DenseConv readConv(const DenseArguments& arguments, size_t index);
size_t convInput(const DenseConv& conv);
size_t convWeight(const DenseConv& conv);
size_t convOutput(const DenseConv& conv);

/// (logits, labels, columns): logits [labels, columns], each label one of the columns.
CrossEntropy readCrossEntropy(const DenseArguments& arguments, double smoothing);

}  // namespace bulwark::addon
