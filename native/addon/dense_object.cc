#include "addon/dense_object.h"

#include <algorithm>
#include <stdexcept>
#include <thread>

#include "addon/arguments.h"
#include "addon/dense_arguments.h"
#include "addon/devices.h"
#include "addon/instance.h"

namespace bulwark::addon {

namespace {

constexpr napi_type_tag kTag = {0x3f0d9a7e51c24b86, 0x8c61e2f7405ad93b};

}  // namespace

DenseObject::DenseObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<DenseObject>(info) {
  const Fields fields(objectArgument(info, 0, "options"), "options");
  int threads = fields.integer("threads", 0);
  if (threads == 0) threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  const std::string kind = fields.text("device");
  try {
    source_ = deviceOf(kind);
    dense_ = source_->makeDense(threads);
  } catch (const DeviceError& error) {
    throw codedError(info.Env(), "ERR_DEVICE", error.what());
  }
  if (kind != "cpu") device_ = dense_.get();
  info.This().As<Napi::Object>().TypeTag(&kTag);
}

const DenseObject* DenseObject::from(Napi::Value value) {
  if (!value.IsObject()) return nullptr;
  const Napi::Object object = value.As<Napi::Object>();
  return object.CheckTypeTag(&kTag) ? Unwrap(object) : nullptr;
}

/// A device may fail at any operation, and a full one at those that need memory of their own.
template <void (DenseObject::*operation)(const Napi::CallbackInfo&)>
void DenseObject::guarded(const Napi::CallbackInfo& info) {
  try {
    (this->*operation)(info);
  } catch (const DeviceError& error) {
    throw codedError(info.Env(), "ERR_DEVICE", error.what());
  } catch (const std::invalid_argument& error) {
    throw argumentError(info.Env(), error.what());
  }
}

Napi::Function DenseObject::define(Napi::Env env) {
  return DefineClass(
      env, "Dense",
      {InstanceAccessor<&DenseObject::threads>("threads"),
       InstanceAccessor<&DenseObject::stepsAhead>("stepsAhead"),
       InstanceMethod<&DenseObject::allocate>("allocate"),
       InstanceMethod<&DenseObject::guarded<&DenseObject::upload>>("upload"),
       InstanceMethod<&DenseObject::guarded<&DenseObject::download>>("download"),
       InstanceMethod<&DenseObject::guarded<&DenseObject::fill>>("fill"),
       InstanceMethod<&DenseObject::guarded<&DenseObject::copy>>("copy"),
       InstanceMethod<&DenseObject::guarded<&DenseObject::gemm>>("gemm"),
       InstanceMethod<&DenseObject::guarded<&DenseObject::unary>>("unary"),
       InstanceMethod<&DenseObject::guarded<&DenseObject::binary>>("binary"),
       InstanceMethod<&DenseObject::guarded<&DenseObject::addReduced>>("addReduced"),
       InstanceMethod<&DenseObject::guarded<&DenseObject::scale>>("scale"),
       InstanceMethod<&DenseObject::guarded<&DenseObject::combine>>("combine"),
       InstanceMethod<&DenseObject::guarded<&DenseObject::normalise>>("normalise"),
       InstanceMethod<&DenseObject::guarded<&DenseObject::clipFactor>>("clipFactor"),
       InstanceMethod<&DenseObject::guarded<&DenseObject::gather>>("gather"),
       InstanceMethod<&DenseObject::guarded<&DenseObject::scatterAdd>>("scatterAdd"),
       InstanceMethod<&DenseObject::guarded<&DenseObject::largestOfRows>>("largestOfRows"),
       InstanceMethod<&DenseObject::guarded<&DenseObject::largestGradient>>("largestGradient"),
       InstanceMethod<&DenseObject::guarded<&DenseObject::logSumExpOfRows>>("logSumExpOfRows"),
       InstanceMethod<&DenseObject::guarded<&DenseObject::gateRows>>("gateRows"),
       InstanceMethod<&DenseObject::guarded<&DenseObject::crossEntropies>>("crossEntropies"),
       InstanceMethod<&DenseObject::guarded<&DenseObject::crossEntropyGradient>>("crossEntropyGradient"),
       InstanceMethod<&DenseObject::guarded<&DenseObject::countCorrect>>("countCorrect"),
       InstanceMethod<&DenseObject::guarded<&DenseObject::keepLarger>>("keepLarger"),
       InstanceMethod<&DenseObject::guarded<&DenseObject::convolve>>("convolve"),
       InstanceMethod<&DenseObject::guarded<&DenseObject::convolveInput>>("convolveInput"),
       InstanceMethod<&DenseObject::guarded<&DenseObject::convolveWeight>>("convolveWeight"),
       InstanceMethod<&DenseObject::guarded<&DenseObject::adam>>("adam"),
       InstanceMethod<&DenseObject::guarded<&DenseObject::signStep>>("signStep"),
       InstanceMethod<&DenseObject::guarded<&DenseObject::signStepAlong>>("signStepAlong"),
       InstanceMethod<&DenseObject::guarded<&DenseObject::uniform>>("uniform"),
       InstanceMethod<&DenseObject::guarded<&DenseObject::gaussian>>("gaussian")});
}

Napi::Value DenseObject::threads(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), dense_->threads());
}

Napi::Value DenseObject::stepsAhead(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), dense_->stepsAhead());
}

// allocate(length)
Napi::Value DenseObject::allocate(const Napi::CallbackInfo& info) {
  if (!device_) throw argumentError(info.Env(), "allocate: on the CPU arrays are Float32Arrays");
  return instanceOf(info.Env()).denseArray.New({info.This(), info[0]});
}

// upload(values, y, at)
void DenseObject::upload(const Napi::CallbackInfo& info) {
  const DenseArguments arguments(info, "upload", device_);
  const auto values = arguments.hostFloats(0), y = arguments.floats(1);
  dense_->upload(values.data, y.data + arguments.stretch(2, values.count, y.count), values.count);
}

// download(x, at, values)
void DenseObject::download(const Napi::CallbackInfo& info) {
  const DenseArguments arguments(info, "download", device_);
  const auto x = arguments.floats(0), values = arguments.hostFloats(2);
  dense_->download(x.data + arguments.stretch(1, values.count, x.count), values.data, values.count);
}

// fill(y, value)
void DenseObject::fill(const Napi::CallbackInfo& info) {
  const DenseArguments arguments(info, "fill", device_);
  const auto y = arguments.floats(0);
  dense_->fill(y.data, y.count, arguments.real(1));
}

// copy(x, xAt, y, yAt, count)
void DenseObject::copy(const Napi::CallbackInfo& info) {
  const DenseArguments arguments(info, "copy", device_);
  const auto x = arguments.floats(0), y = arguments.floats(2);
  const size_t count = static_cast<size_t>(arguments.size(4));
  const size_t from = arguments.stretch(1, count, x.count), to = arguments.stretch(3, count, y.count);
  if (x.data == y.data) throw arguments.wrong(2, "another array");
  dense_->copy(x.data + from, y.data + to, count);
}

// gemm(a, b, c, m, n, k, flags, bias?): flags 1 = a transposed, 2 = b transposed, 4 = add to c, 8 = ReLU.
void DenseObject::gemm(const Napi::CallbackInfo& info) {
  const DenseArguments arguments(info, "gemm", device_);
  const int m = arguments.size(3), n = arguments.size(4), k = arguments.size(5), flags = arguments.size(6);
  dense_->gemm({arguments.floats(0, denseProduct(m, k)), arguments.floats(1, denseProduct(k, n)),
                arguments.floats(2, denseProduct(m, n)), m, n, k, (flags & 1) != 0, (flags & 2) != 0,
                (flags & 4) != 0, (flags & 8) != 0, arguments.optionalFloats(7, static_cast<size_t>(n))});
}

// unary(kind, x, y)
void DenseObject::unary(const Napi::CallbackInfo& info) {
  const DenseArguments arguments(info, "unary", device_);
  const int kind = arguments.size(0);
  if (kind >= kUnaryKinds) throw arguments.wrong(0, "a kind below " + std::to_string(kUnaryKinds));
  const auto x = arguments.floats(1);
  dense_->unary(static_cast<Unary>(kind), x.data, arguments.floats(2, x.count), x.count);
}

// binary(kind, a, b, y, layout)
void DenseObject::binary(const Napi::CallbackInfo& info) {
  const DenseArguments arguments(info, "binary", device_);
  const int kind = arguments.size(0);
  if (kind >= kBinaryKinds) throw arguments.wrong(0, "a kind below " + std::to_string(kBinaryKinds));
  const DenseLoop read = readLoop(arguments, 4, 2);
  dense_->binary(static_cast<Binary>(kind), read.loop, arguments.floats(1, read.reach[0]),
                 arguments.floats(2, read.reach[1]), arguments.floats(3, read.dense));
}

// addReduced(x, y, layout)
void DenseObject::addReduced(const Napi::CallbackInfo& info) {
  const DenseArguments arguments(info, "addReduced", device_);
  const DenseLoop read = readLoop(arguments, 2, 1);
  dense_->addReduced(read.loop, arguments.floats(0, read.dense), arguments.floats(1, read.reach[0]));
}

// scale(x, y, factor, shift)
void DenseObject::scale(const Napi::CallbackInfo& info) {
  const DenseArguments arguments(info, "scale", device_);
  const auto x = arguments.floats(0);
  dense_->scale(x.data, arguments.floats(1, x.count), x.count, arguments.real(2), arguments.real(3));
}

// combine(x, y, factor, keep)
void DenseObject::combine(const Napi::CallbackInfo& info) {
  const DenseArguments arguments(info, "combine", device_);
  const auto x = arguments.floats(0);
  dense_->combine(x.data, arguments.floats(1, x.count), x.count, arguments.real(2), arguments.real(3));
}

// normalise(x, length)
void DenseObject::normalise(const Napi::CallbackInfo& info) {
  const DenseArguments arguments(info, "normalise", device_);
  const auto x = arguments.floats(0);
  dense_->normalise(x.data, x.count, arguments.floats(1, 1));
}

// clipFactor(squares, most, factor)
void DenseObject::clipFactor(const Napi::CallbackInfo& info) {
  const DenseArguments arguments(info, "clipFactor", device_);
  const auto squares = arguments.floats(0);
  dense_->clipFactor(squares.data, squares.count, arguments.real(1), arguments.floats(2, 1));
}

// gather(x, indices, y)
void DenseObject::gather(const Napi::CallbackInfo& info) {
  const DenseArguments arguments(info, "gather", device_);
  const auto x = arguments.floats(0), y = arguments.floats(2);
  dense_->gather(x.data, arguments.indices(1, y.count, x.count), y.data, y.count);
}

// scatterAdd(x, indices, y)
void DenseObject::scatterAdd(const Napi::CallbackInfo& info) {
  const DenseArguments arguments(info, "scatterAdd", device_);
  const auto x = arguments.floats(0), y = arguments.floats(2);
  dense_->scatterAdd(x.data, arguments.indices(1, x.count, y.count), y.data, x.count);
}

// largestOfRows(x, rows, columns, y)
void DenseObject::largestOfRows(const Napi::CallbackInfo& info) {
  const DenseArguments arguments(info, "largestOfRows", device_);
  const int rows = arguments.size(1), columns = arguments.size(2);
  if (columns == 0) throw arguments.wrong(2, "at least 1 column");
  dense_->largestOfRows(arguments.floats(0, denseProduct(rows, columns)), rows, columns,
                        arguments.floats(3, static_cast<size_t>(rows)));
}

// largestGradient(x, y, weights, rows, columns, gradient)
void DenseObject::largestGradient(const Napi::CallbackInfo& info) {
  const DenseArguments arguments(info, "largestGradient", device_);
  const int rows = arguments.size(3), columns = arguments.size(4);
  const size_t count = static_cast<size_t>(rows), size = denseProduct(rows, columns);
  dense_->largestGradient(arguments.floats(0, size), arguments.floats(1, count), arguments.floats(2, count),
                          rows, columns, arguments.floats(5, size));
}

// logSumExpOfRows(x, rows, columns, y)
void DenseObject::logSumExpOfRows(const Napi::CallbackInfo& info) {
  const DenseArguments arguments(info, "logSumExpOfRows", device_);
  const int rows = arguments.size(1), columns = arguments.size(2);
  if (columns == 0) throw arguments.wrong(2, "at least 1 column");
  dense_->logSumExpOfRows(arguments.floats(0, denseProduct(rows, columns)), rows, columns,
                          arguments.floats(3, static_cast<size_t>(rows)));
}

// gateRows(x, y, columns, gated, sums?)
void DenseObject::gateRows(const Napi::CallbackInfo& info) {
  const DenseArguments arguments(info, "gateRows", device_);
  const auto x = arguments.floats(0);
  const int columns = arguments.size(2);
  if (columns == 0 || x.count % static_cast<size_t>(columns) != 0)
    throw arguments.wrong(2, "a number of columns that divides " + std::to_string(x.count));
  const int rows = static_cast<int>(x.count / static_cast<size_t>(columns));
  dense_->gateRows(x.data, arguments.floats(1, x.count), rows, columns, arguments.floats(3, x.count),
                   arguments.optionalFloats(4, static_cast<size_t>(columns)));
}

// crossEntropies(logits, labels, columns, smoothing, normalisers, losses)
void DenseObject::crossEntropies(const Napi::CallbackInfo& info) {
  const DenseArguments arguments(info, "crossEntropies", device_);
  const CrossEntropy problem = readCrossEntropy(arguments, arguments.number(3));
  const size_t rows = static_cast<size_t>(problem.rows);
  dense_->crossEntropies(problem, arguments.floats(4, rows), arguments.floats(5, rows));
}

// crossEntropyGradient(logits, labels, columns, smoothing, normalisers, weights, gradient)
void DenseObject::crossEntropyGradient(const Napi::CallbackInfo& info) {
  const DenseArguments arguments(info, "crossEntropyGradient", device_);
  const CrossEntropy problem = readCrossEntropy(arguments, arguments.number(3));
  const size_t rows = static_cast<size_t>(problem.rows);
  dense_->crossEntropyGradient(problem, arguments.floats(4, rows), arguments.floats(5, rows),
                               arguments.floats(6, denseProduct(problem.rows, problem.columns)));
}

// countCorrect(logits, labels, columns, count)
void DenseObject::countCorrect(const Napi::CallbackInfo& info) {
  const DenseArguments arguments(info, "countCorrect", device_);
  dense_->countCorrect(readCrossEntropy(arguments, 0), arguments.floats(3, 1));
}

// keepLarger(scores, x, best, kept)
void DenseObject::keepLarger(const Napi::CallbackInfo& info) {
  const DenseArguments arguments(info, "keepLarger", device_);
  const auto scores = arguments.floats(0), x = arguments.floats(1);
  if (scores.count == 0 || x.count % scores.count != 0)
    throw arguments.wrong(1, "a row for each of " + std::to_string(scores.count) + " scores");
  dense_->keepLarger(scores.data, x.data, static_cast<int>(scores.count),
                     static_cast<int>(x.count / scores.count), arguments.floats(2, scores.count),
                     arguments.floats(3, x.count));
}

// convolve(x, weight, y, convolution)
void DenseObject::convolve(const Napi::CallbackInfo& info) {
  const DenseArguments arguments(info, "convolve", device_);
  const DenseConv conv = readConv(arguments, 3);
  dense_->convolve(conv, arguments.floats(0, convInput(conv)), arguments.floats(1, convWeight(conv)),
                   arguments.floats(2, convOutput(conv)));
}

// convolveInput(y, weight, x, convolution)
void DenseObject::convolveInput(const Napi::CallbackInfo& info) {
  const DenseArguments arguments(info, "convolveInput", device_);
  const DenseConv conv = readConv(arguments, 3);
  dense_->convolveInput(conv, arguments.floats(0, convOutput(conv)), arguments.floats(1, convWeight(conv)),
                        arguments.floats(2, convInput(conv)));
}

// convolveWeight(x, y, weight, convolution)
void DenseObject::convolveWeight(const Napi::CallbackInfo& info) {
  const DenseArguments arguments(info, "convolveWeight", device_);
  const DenseConv conv = readConv(arguments, 3);
  dense_->convolveWeight(conv, arguments.floats(0, convInput(conv)), arguments.floats(1, convOutput(conv)),
                         arguments.floats(2, convWeight(conv)));
}

// adam(gradient, weight, first, second, rate, beta1, beta2, epsilon, decay, firstCorrection,
// secondCorrection, gradientScale, average?, fresh?, decay?, scale?)
void DenseObject::adam(const Napi::CallbackInfo& info) {
  const DenseArguments arguments(info, "adam", device_);
  const auto gradient = arguments.floats(0);
  AdamStep step{arguments.real(4), arguments.real(5), arguments.real(6),  arguments.real(7),
                arguments.real(8), arguments.real(9), arguments.real(10), arguments.real(11)};
  step.scale = arguments.optionalFloats(15, 1);
  MovingAverage average;
  if (arguments.has(12))
    average = {arguments.floats(12, gradient.count), arguments.real(13), arguments.real(14)};
  dense_->adam(step, gradient.data, arguments.floats(1, gradient.count), arguments.floats(2, gradient.count),
               arguments.floats(3, gradient.count), gradient.count, average);
}

// signStep(gradient, centre, x, step, radius, low, high)
void DenseObject::signStep(const Napi::CallbackInfo& info) {
  const DenseArguments arguments(info, "signStep", device_);
  const auto gradient = arguments.floats(0);
  const SignStep step{arguments.real(3), arguments.real(4), arguments.real(5), arguments.real(6)};
  dense_->signStep(step, gradient.data, arguments.floats(1, gradient.count),
                   arguments.floats(2, gradient.count), gradient.count);
}

// signStepAlong(a, b, centre, x, m, n, k, step, radius, low, high)
void DenseObject::signStepAlong(const Napi::CallbackInfo& info) {
  const DenseArguments arguments(info, "signStepAlong", device_);
  const int m = arguments.size(4), n = arguments.size(5), k = arguments.size(6);
  const SignStep step{arguments.real(7), arguments.real(8), arguments.real(9), arguments.real(10)};
  dense_->signStepAlong(
      step, {arguments.floats(0, denseProduct(m, k)), arguments.floats(1, denseProduct(k, n)), m, n, k,
             arguments.floats(2, denseProduct(m, n)), arguments.floats(3, denseProduct(m, n))});
}

// uniform(y, seed, low, high)
void DenseObject::uniform(const Napi::CallbackInfo& info) {
  const DenseArguments arguments(info, "uniform", device_);
  const auto y = arguments.floats(0);
  dense_->uniform(arguments.seed(1), arguments.real(2), arguments.real(3), y.data, y.count);
}

// gaussian(y, seed, deviation)
void DenseObject::gaussian(const Napi::CallbackInfo& info) {
  const DenseArguments arguments(info, "gaussian", device_);
  const auto y = arguments.floats(0);
  dense_->gaussian(arguments.seed(1), arguments.real(2), y.data, y.count);
}

}  // namespace bulwark::addon
