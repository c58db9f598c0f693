#include "addon/dense_arguments.h"

#include <algorithm>
#include <cmath>

#include "addon/arguments.h"
#include "addon/dense_array.h"

namespace bulwark::addon {

DenseArguments::Floats DenseArguments::floats(size_t index) const {
  if (!device_) return hostFloats(index);
  const DenseArray* array = index < info_.Length() ? DenseArray::from(info_[index]) : nullptr;
  if (!array || &array->dense() != device_)
    throw wrong(index, "an array that this arithmetic allocated on its device");
  if (array->freed()) throw wrong(index, "an array that was not given back");
  return {array->data(), array->size()};
}

float* DenseArguments::floats(size_t index, size_t count) const {
  const Floats given = floats(index);
  if (given.count != count)
    throw wrong(index, std::to_string(count) + " elements, given " + std::to_string(given.count));
  return given.data;
}

DenseArguments::Floats DenseArguments::hostFloats(size_t index) const {
  const auto [data, count] = typed(index, napi_float32_array, "a Float32Array");
  return {static_cast<float*>(data), count};
}

std::pair<const int32_t*, size_t> DenseArguments::integers(size_t index) const {
  const auto [data, count] = typed(index, napi_int32_array, "an Int32Array");
  return {static_cast<const int32_t*>(data), count};
}

const int32_t* DenseArguments::integers(size_t index, size_t count) const {
  const auto [data, length] = integers(index);
  if (length != count) throw wrong(index, std::to_string(count) + " elements");
  return data;
}

double DenseArguments::number(size_t index) const {
  double value = 0;
  if (index >= info_.Length() || napi_get_value_double(info_.Env(), info_[index], &value) != napi_ok)
    throw wrong(index, "a number");
  return value;
}

int DenseArguments::size(size_t index) const {
  const double value = number(index);
  if (!(value >= 0 && value <= 1 << 30 && value == static_cast<int>(value)))
    throw wrong(index, "an integer from 0 to 2^30");
  return static_cast<int>(value);
}

size_t DenseArguments::stretch(size_t index, size_t count, size_t size) const {
  const double at = number(index);
  if (!(at >= 0 && at == std::floor(at) && at + static_cast<double>(count) <= static_cast<double>(size)))
    throw wrong(index, "where " + std::to_string(count) + " of " + std::to_string(size) + " elements begin");
  return static_cast<size_t>(at);
}

uint64_t DenseArguments::seed(size_t index) const {
  const double value = number(index);
  if (!(value >= 0 && value < 0x1p53)) throw wrong(index, "a whole number below 2^53");
  return static_cast<uint64_t>(value);
}

const int32_t* DenseArguments::indices(size_t index, size_t count, size_t limit) const {
  const int32_t* values = integers(index, count);
  if (!std::all_of(values, values + count,
                   [&](int32_t at) { return at >= -1 && at < static_cast<int64_t>(limit); }))
    throw wrong(index, "indices from -1 to " + std::to_string(limit) + " - 1");
  return values;
}

Napi::Error DenseArguments::wrong(size_t index, const std::string& expected) const {
  return argumentError(info_.Env(),
                       std::string(call_) + ", argument " + std::to_string(index) + ": expected " + expected);
}

/// Data and length by a single call into Node: small operations cost little more than these calls.
std::pair<void*, size_t> DenseArguments::typed(size_t index, napi_typedarray_type type,
                                               const char* expected) const {
  napi_typedarray_type found = type;
  size_t length = 0;
  void* data = nullptr;
  if (index >= info_.Length() ||
      napi_get_typedarray_info(info_.Env(), info_[index], &found, &length, &data, nullptr, nullptr) !=
          napi_ok ||
      found != type)
    throw wrong(index, expected);
  return {data, length};
}

DenseLoop readLoop(const DenseArguments& arguments, size_t index, size_t operands) {
  const auto [values, length] = arguments.integers(index);
  const int rank = length > 0 ? values[0] : 0;
  if (rank < 1 || rank > kMaxRank || length != 1 + static_cast<size_t>(rank) * (1 + operands))
    throw arguments.wrong(index, "a layout [rank, dims, strides], rank 1 to " + std::to_string(kMaxRank));
  DenseLoop read;
  read.loop.rank = rank;
  for (int axis = 0; axis < rank; ++axis) {
    const int dim = read.loop.dims[axis] = values[1 + axis];
    if (dim < 1) throw arguments.wrong(index, "dimensions of at least 1");
    read.dense *= static_cast<size_t>(dim);
    for (size_t operand = 0; operand < operands; ++operand) {
      const int stride = values[1 + rank * (1 + static_cast<int>(operand)) + axis];
      if (stride < 0 || (axis == rank - 1 && stride > 1))
        throw arguments.wrong(index, "strides of at least 0, the last 0 or 1");
      read.loop.strides[operand][axis] = stride;
      read.reach[operand] += denseProduct(dim - 1, stride);
    }
  }
  return read;
}

DenseConv readConv(const DenseArguments& arguments, size_t index) {
  const int32_t* v = arguments.integers(index, 11);
  const DenseConv conv{v[0], v[1], v[2], v[3], v[4], {v[5], v[6]}, {v[7], v[8]}, {v[9], v[10]}};
  const bool sound = std::all_of(v, v + 9, [](int32_t x) { return x >= 1; }) && v[9] >= 0 && v[10] >= 0;
  if (!sound || conv.outHeight() < 1 || conv.outWidth() < 1)
    throw arguments.wrong(index,
                          "a convolution [images, channels, height, width, outputs, kernel, strides, pads]");
  return conv;
}
size_t convInput(const DenseConv& conv) {
  return denseProduct(conv.images, conv.channels) * denseProduct(conv.height, conv.width);
}
size_t convWeight(const DenseConv& conv) { return denseProduct(conv.outputs, conv.fanIn()); }
size_t convOutput(const DenseConv& conv) {
  return denseProduct(conv.images, conv.outputs) * static_cast<size_t>(conv.positions());
}

CrossEntropy readCrossEntropy(const DenseArguments& arguments, double smoothing) {
  const auto [labels, rows] = arguments.integers(1);
  const int columns = arguments.size(2);
  const float* logits = arguments.floats(0, rows * static_cast<size_t>(columns));
  const auto fits = [columns](int32_t label) { return label >= 0 && label < columns; };
  if (!std::all_of(labels, labels + rows, fits))
    throw arguments.wrong(1, "labels from 0 to " + std::to_string(columns) + " - 1");
  if (!(smoothing >= 0 && smoothing <= 1)) throw arguments.wrong(3, "a number from 0 to 1");
  return {logits, labels, static_cast<int>(rows), columns, smoothing};
}

}  // namespace bulwark::addon
