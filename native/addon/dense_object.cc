#include "addon/dense_object.h"

#include <algorithm>
#include <string>
#include <thread>

#include "addon/arguments.h"

namespace bulwark::addon {

namespace {

/// Positional arguments of one call: cheap to read, for a training step makes a hundred calls.
class Arguments {
 public:
  Arguments(const Napi::CallbackInfo& info, const char* call) : info_(info), call_(call) {}

  struct Floats {
    float* data;
    size_t count;
  };

  bool has(size_t index) const { return index < info_.Length() && !info_[index].IsUndefined(); }
  Floats floats(size_t index) const {
    const auto [data, count] = typed(index, napi_float32_array, "a Float32Array");
    return {static_cast<float*>(data), count};
  }
  /// A Float32Array of exactly `count` elements.
  float* floats(size_t index, size_t count) const {
    const Floats given = floats(index);
    if (given.count != count)
      throw wrong(index, std::to_string(count) + " elements, given " + std::to_string(given.count));
    return given.data;
  }
  /// The same, or null where nothing is given.
  float* optionalFloats(size_t index, size_t count) const {
    return has(index) ? floats(index, count) : nullptr;
  }
  std::pair<const int32_t*, size_t> integers(size_t index) const {
    const auto [data, count] = typed(index, napi_int32_array, "an Int32Array");
    return {static_cast<const int32_t*>(data), count};
  }
  int32_t* integers(size_t index, size_t count) const {
    const auto [data, length] = typed(index, napi_int32_array, "an Int32Array");
    if (length != count) throw wrong(index, std::to_string(count) + " elements");
    return static_cast<int32_t*>(data);
  }
  double number(size_t index) const {
    double value = 0;
    if (index >= info_.Length() || napi_get_value_double(info_.Env(), info_[index], &value) != napi_ok)
      throw wrong(index, "a number");
    return value;
  }
  float real(size_t index) const { return static_cast<float>(number(index)); }
  int size(size_t index) const {
    const double value = number(index);
    if (!(value >= 0 && value <= 1 << 30 && value == static_cast<int>(value)))
      throw wrong(index, "an integer from 0 to 2^30");
    return static_cast<int>(value);
  }
  Napi::Error wrong(size_t index, const std::string& expected) const {
    return argumentError(
        info_.Env(), std::string(call_) + ", argument " + std::to_string(index) + ": expected " + expected);
  }

 private:
  /// Data and length by a single call into Node: small operations cost little more than these calls.
  std::pair<void*, size_t> typed(size_t index, napi_typedarray_type type, const char* expected) const {
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

  const Napi::CallbackInfo& info_;
  const char* call_;
};

size_t product(int a, int b) { return static_cast<size_t>(a) * static_cast<size_t>(b); }

/// `[rank, dims, strides of each strided operand]`, and how far each operand reaches.
struct ReadLoop {
  StridedLoop loop{};
  size_t dense = 1;
  std::array<size_t, 2> reach{1, 1};
};

ReadLoop readLoop(const Arguments& arguments, size_t index, size_t operands) {
  const auto [values, length] = arguments.integers(index);
  const int rank = length > 0 ? values[0] : 0;
  if (rank < 1 || rank > kMaxRank || length != 1 + static_cast<size_t>(rank) * (1 + operands))
    throw arguments.wrong(index, "a layout [rank, dims, strides], rank 1 to " + std::to_string(kMaxRank));
  ReadLoop read;
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
      read.reach[operand] += product(dim - 1, stride);
    }
  }
  return read;
}

DenseConv readConv(const Arguments& arguments, size_t index) {
  const int32_t* v = arguments.integers(index, 11);
  const DenseConv conv{v[0], v[1], v[2], v[3], v[4], {v[5], v[6]}, {v[7], v[8]}, {v[9], v[10]}};
  const bool sound = std::all_of(v, v + 9, [](int32_t x) { return x >= 1; }) && v[9] >= 0 && v[10] >= 0;
  if (!sound || conv.outHeight() < 1 || conv.outWidth() < 1)
    throw arguments.wrong(index,
                          "a convolution [images, channels, height, width, outputs, kernel, strides, pads]");
  return conv;
}
size_t convInput(const DenseConv& conv) {
  return product(conv.images, conv.channels) * product(conv.height, conv.width);
}
size_t convWeight(const DenseConv& conv) { return product(conv.outputs, conv.fanIn()); }
size_t convOutput(const DenseConv& conv) {
  return product(conv.images, conv.outputs) * static_cast<size_t>(conv.positions());
}

}  // namespace

DenseObject::DenseObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<DenseObject>(info) {
  const Fields fields(objectArgument(info, 0, "options"), "options");
  int threads = fields.integer("threads", 0);
  if (threads == 0) threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  dense_ = std::make_unique<Dense>(threads);
}

Napi::Function DenseObject::define(Napi::Env env) {
  return DefineClass(env, "Dense",
                     {InstanceAccessor<&DenseObject::threads>("threads"),
                      InstanceMethod<&DenseObject::gemm>("gemm"),
                      InstanceMethod<&DenseObject::unary>("unary"),
                      InstanceMethod<&DenseObject::binary>("binary"),
                      InstanceMethod<&DenseObject::addReduced>("addReduced"),
                      InstanceMethod<&DenseObject::scale>("scale"),
                      InstanceMethod<&DenseObject::combine>("combine"),
                      InstanceMethod<&DenseObject::gather>("gather"),
                      InstanceMethod<&DenseObject::scatterAdd>("scatterAdd"),
                      InstanceMethod<&DenseObject::largestOfRows>("largestOfRows"),
                      InstanceMethod<&DenseObject::logSumExpOfRows>("logSumExpOfRows"),
                      InstanceMethod<&DenseObject::gateRows>("gateRows"),
                      InstanceMethod<&DenseObject::crossEntropies>("crossEntropies"),
                      InstanceMethod<&DenseObject::crossEntropyGradient>("crossEntropyGradient"),
                      InstanceMethod<&DenseObject::convolve>("convolve"),
                      InstanceMethod<&DenseObject::convolveInput>("convolveInput"),
                      InstanceMethod<&DenseObject::convolveWeight>("convolveWeight"),
                      InstanceMethod<&DenseObject::adam>("adam"),
                      InstanceMethod<&DenseObject::signStep>("signStep"),
                      InstanceMethod<&DenseObject::signStepAlong>("signStepAlong"),
                      InstanceMethod<&DenseObject::uniform>("uniform"),
                      InstanceMethod<&DenseObject::gaussian>("gaussian")});
}

Napi::Value DenseObject::threads(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), dense_->threads());
}

// gemm(a, b, c, m, n, k, flags, bias?): flags 1 = a transposed, 2 = b transposed, 4 = add to c, 8 = ReLU.
void DenseObject::gemm(const Napi::CallbackInfo& info) {
  const Arguments arguments(info, "gemm");
  const int m = arguments.size(3), n = arguments.size(4), k = arguments.size(5), flags = arguments.size(6);
  dense_->gemm({arguments.floats(0, product(m, k)), arguments.floats(1, product(k, n)),
                arguments.floats(2, product(m, n)), m, n, k, (flags & 1) != 0, (flags & 2) != 0,
                (flags & 4) != 0, (flags & 8) != 0, arguments.optionalFloats(7, static_cast<size_t>(n))});
}

// unary(kind, x, y)
void DenseObject::unary(const Napi::CallbackInfo& info) {
  const Arguments arguments(info, "unary");
  const int kind = arguments.size(0);
  if (kind >= kUnaryKinds) throw arguments.wrong(0, "a kind below " + std::to_string(kUnaryKinds));
  const auto x = arguments.floats(1);
  dense_->unary(static_cast<Unary>(kind), x.data, arguments.floats(2, x.count), x.count);
}

// binary(kind, a, b, y, layout)
void DenseObject::binary(const Napi::CallbackInfo& info) {
  const Arguments arguments(info, "binary");
  const int kind = arguments.size(0);
  if (kind >= kBinaryKinds) throw arguments.wrong(0, "a kind below " + std::to_string(kBinaryKinds));
  const ReadLoop read = readLoop(arguments, 4, 2);
  dense_->binary(static_cast<Binary>(kind), read.loop, arguments.floats(1, read.reach[0]),
                 arguments.floats(2, read.reach[1]), arguments.floats(3, read.dense));
}

// addReduced(x, y, layout)
void DenseObject::addReduced(const Napi::CallbackInfo& info) {
  const Arguments arguments(info, "addReduced");
  const ReadLoop read = readLoop(arguments, 2, 1);
  dense_->addReduced(read.loop, arguments.floats(0, read.dense), arguments.floats(1, read.reach[0]));
}

// scale(x, y, factor, shift)
void DenseObject::scale(const Napi::CallbackInfo& info) {
  const Arguments arguments(info, "scale");
  const auto x = arguments.floats(0);
  dense_->scale(x.data, arguments.floats(1, x.count), x.count, arguments.real(2), arguments.real(3));
}

// combine(x, y, factor, keep)
void DenseObject::combine(const Napi::CallbackInfo& info) {
  const Arguments arguments(info, "combine");
  const auto x = arguments.floats(0);
  dense_->combine(x.data, arguments.floats(1, x.count), x.count, arguments.real(2), arguments.real(3));
}

namespace {

/// Indices of one array, each -1 or inside it.
const int32_t* readIndices(const Arguments& arguments, size_t index, size_t count, size_t limit) {
  const int32_t* indices = arguments.integers(index, count);
  if (!std::all_of(indices, indices + count,
                   [&](int32_t at) { return at >= -1 && at < static_cast<int64_t>(limit); }))
    throw arguments.wrong(index, "indices from -1 to " + std::to_string(limit) + " - 1");
  return indices;
}

}  // namespace

// gather(x, indices, y)
void DenseObject::gather(const Napi::CallbackInfo& info) {
  const Arguments arguments(info, "gather");
  const auto x = arguments.floats(0), y = arguments.floats(2);
  dense_->gather(x.data, readIndices(arguments, 1, y.count, x.count), y.data, y.count);
}

// scatterAdd(x, indices, y)
void DenseObject::scatterAdd(const Napi::CallbackInfo& info) {
  const Arguments arguments(info, "scatterAdd");
  const auto x = arguments.floats(0), y = arguments.floats(2);
  dense_->scatterAdd(x.data, readIndices(arguments, 1, x.count, y.count), y.data, x.count);
}

// largestOfRows(x, rows, columns, y, where)
void DenseObject::largestOfRows(const Napi::CallbackInfo& info) {
  const Arguments arguments(info, "largestOfRows");
  const int rows = arguments.size(1), columns = arguments.size(2);
  if (columns == 0) throw arguments.wrong(2, "at least 1 column");
  dense_->largestOfRows(arguments.floats(0, product(rows, columns)), rows, columns,
                        arguments.floats(3, static_cast<size_t>(rows)),
                        arguments.integers(4, static_cast<size_t>(rows)));
}

// logSumExpOfRows(x, rows, columns, y)
void DenseObject::logSumExpOfRows(const Napi::CallbackInfo& info) {
  const Arguments arguments(info, "logSumExpOfRows");
  const int rows = arguments.size(1), columns = arguments.size(2);
  if (columns == 0) throw arguments.wrong(2, "at least 1 column");
  dense_->logSumExpOfRows(arguments.floats(0, product(rows, columns)), rows, columns,
                          arguments.floats(3, static_cast<size_t>(rows)));
}

// gateRows(x, y, columns, gated, sums?)
void DenseObject::gateRows(const Napi::CallbackInfo& info) {
  const Arguments arguments(info, "gateRows");
  const auto x = arguments.floats(0);
  const int columns = arguments.size(2);
  if (columns == 0 || x.count % static_cast<size_t>(columns) != 0)
    throw arguments.wrong(2, "a number of columns that divides " + std::to_string(x.count));
  const int rows = static_cast<int>(x.count / static_cast<size_t>(columns));
  dense_->gateRows(x.data, arguments.floats(1, x.count), rows, columns, arguments.floats(3, x.count),
                   arguments.optionalFloats(4, static_cast<size_t>(columns)));
}

namespace {

/// (logits, labels, columns, smoothing): logits [labels, columns], each label one of the columns.
CrossEntropy readCrossEntropy(const Arguments& arguments) {
  const auto [labels, rows] = arguments.integers(1);
  const int columns = arguments.size(2);
  const float* logits = arguments.floats(0, rows * static_cast<size_t>(columns));
  const auto fits = [columns](int32_t label) { return label >= 0 && label < columns; };
  if (!std::all_of(labels, labels + rows, fits))
    throw arguments.wrong(1, "labels from 0 to " + std::to_string(columns) + " - 1");
  const double smoothing = arguments.number(3);
  if (!(smoothing >= 0 && smoothing <= 1)) throw arguments.wrong(3, "a number from 0 to 1");
  return {logits, labels, static_cast<int>(rows), columns, smoothing};
}

}  // namespace

// crossEntropies(logits, labels, columns, smoothing, normalisers, losses)
void DenseObject::crossEntropies(const Napi::CallbackInfo& info) {
  const Arguments arguments(info, "crossEntropies");
  const CrossEntropy problem = readCrossEntropy(arguments);
  const size_t rows = static_cast<size_t>(problem.rows);
  dense_->crossEntropies(problem, arguments.floats(4, rows), arguments.floats(5, rows));
}

// crossEntropyGradient(logits, labels, columns, smoothing, normalisers, weights, gradient)
void DenseObject::crossEntropyGradient(const Napi::CallbackInfo& info) {
  const Arguments arguments(info, "crossEntropyGradient");
  const CrossEntropy problem = readCrossEntropy(arguments);
  const size_t rows = static_cast<size_t>(problem.rows);
  dense_->crossEntropyGradient(problem, arguments.floats(4, rows), arguments.floats(5, rows),
                               arguments.floats(6, product(problem.rows, problem.columns)));
}

// convolve(x, weight, y, convolution)
void DenseObject::convolve(const Napi::CallbackInfo& info) {
  const Arguments arguments(info, "convolve");
  const DenseConv conv = readConv(arguments, 3);
  dense_->convolve(conv, arguments.floats(0, convInput(conv)), arguments.floats(1, convWeight(conv)),
                   arguments.floats(2, convOutput(conv)));
}

// convolveInput(y, weight, x, convolution)
void DenseObject::convolveInput(const Napi::CallbackInfo& info) {
  const Arguments arguments(info, "convolveInput");
  const DenseConv conv = readConv(arguments, 3);
  dense_->convolveInput(conv, arguments.floats(0, convOutput(conv)), arguments.floats(1, convWeight(conv)),
                        arguments.floats(2, convInput(conv)));
}

// convolveWeight(x, y, weight, convolution)
void DenseObject::convolveWeight(const Napi::CallbackInfo& info) {
  const Arguments arguments(info, "convolveWeight");
  const DenseConv conv = readConv(arguments, 3);
  dense_->convolveWeight(conv, arguments.floats(0, convInput(conv)), arguments.floats(1, convOutput(conv)),
                         arguments.floats(2, convWeight(conv)));
}

// adam(gradient, weight, first, second, rate, beta1, beta2, epsilon, decay, firstCorrection,
// secondCorrection, gradientScale, average?, fresh?, decay?)
void DenseObject::adam(const Napi::CallbackInfo& info) {
  const Arguments arguments(info, "adam");
  const auto gradient = arguments.floats(0);
  const AdamStep step{arguments.real(4), arguments.real(5), arguments.real(6),  arguments.real(7),
                      arguments.real(8), arguments.real(9), arguments.real(10), arguments.real(11)};
  MovingAverage average;
  if (arguments.has(12))
    average = {arguments.floats(12, gradient.count), arguments.real(13), arguments.real(14)};
  dense_->adam(step, gradient.data, arguments.floats(1, gradient.count), arguments.floats(2, gradient.count),
               arguments.floats(3, gradient.count), gradient.count, average);
}

// signStep(gradient, centre, x, step, radius, low, high)
void DenseObject::signStep(const Napi::CallbackInfo& info) {
  const Arguments arguments(info, "signStep");
  const auto gradient = arguments.floats(0);
  const SignStep step{arguments.real(3), arguments.real(4), arguments.real(5), arguments.real(6)};
  dense_->signStep(step, gradient.data, arguments.floats(1, gradient.count),
                   arguments.floats(2, gradient.count), gradient.count);
}

// signStepAlong(a, b, centre, x, m, n, k, step, radius, low, high)
void DenseObject::signStepAlong(const Napi::CallbackInfo& info) {
  const Arguments arguments(info, "signStepAlong");
  const int m = arguments.size(4), n = arguments.size(5), k = arguments.size(6);
  const SignStep step{arguments.real(7), arguments.real(8), arguments.real(9), arguments.real(10)};
  dense_->signStepAlong(step, {arguments.floats(0, product(m, k)), arguments.floats(1, product(k, n)), m, n,
                               k, arguments.floats(2, product(m, n)), arguments.floats(3, product(m, n))});
}

namespace {

/// Seeds are whole numbers below 2^53.
uint64_t readSeed(const Arguments& arguments, size_t index) {
  const double value = arguments.number(index);
  if (!(value >= 0 && value < 0x1p53)) throw arguments.wrong(index, "a whole number below 2^53");
  return static_cast<uint64_t>(value);
}

}  // namespace

// uniform(y, seed, low, high)
void DenseObject::uniform(const Napi::CallbackInfo& info) {
  const Arguments arguments(info, "uniform");
  const auto y = arguments.floats(0);
  dense_->uniform(readSeed(arguments, 1), arguments.real(2), arguments.real(3), y.data, y.count);
}

// gaussian(y, seed, deviation)
void DenseObject::gaussian(const Napi::CallbackInfo& info) {
  const Arguments arguments(info, "gaussian");
  const auto y = arguments.floats(0);
  dense_->gaussian(readSeed(arguments, 1), arguments.real(2), y.data, y.count);
}

}  // namespace bulwark::addon
