// Training's arithmetic on a GPU: every operation on one stream, so that they follow each other without
// anybody waiting. Small things of the host (labels, indices) go through the stream's pinned memory.
#include "kernels/cuda/dense_kernels.h"
#include "kernels/cuda/make_dense.h"

namespace bulwark::BULWARK_CUDA {
namespace {

/// A look at the device waits for all that is queued; eight steps ahead it has enough to do meanwhile.
constexpr int kStepsAhead = 8;

/// Pinned room for some batches on their way to the device, so that the host seldom waits for room.
constexpr size_t kRoom = size_t{8} << 20;

/// Zeros, given back when the stream is done with them.
class DeviceFloats final : public Buffer {
 public:
  DeviceFloats(std::shared_ptr<Stream> stream, size_t count)
      : stream_(std::move(stream)), piece_(stream_->memory(), count * sizeof(float)) {
    require(cudaMemsetAsync(piece_.data(), 0, count * sizeof(float), stream_->get()), "clearing memory");
  }
  ~DeviceFloats() override { cudaStreamSynchronize(stream_->get()); }
  DeviceFloats(const DeviceFloats&) = delete;
  DeviceFloats& operator=(const DeviceFloats&) = delete;
  void* data() override { return piece_.data(); }

 private:
  const std::shared_ptr<Stream> stream_;
  Piece piece_;
};

class CudaDense final : public Dense {
 public:
  explicit CudaDense(const std::shared_ptr<Memory>& memory)
      : shared_(std::make_shared<Stream>(memory)), stream_(*shared_) {
    stream_.window(kRoom);
  }

  int threads() const override { return 1; }
  int stepsAhead() const override { return kStepsAhead; }

  std::unique_ptr<Buffer> allocate(size_t count) override {
    return std::make_unique<DeviceFloats>(shared_, count);
  }
  void upload(const float* host, float* to, size_t count) override {
    if (count > 0) stream_.upload(host, count * sizeof(float), to);
  }
  void download(const float* from, float* host, size_t count) override {
    if (count > 0) stream_.download(from, count * sizeof(float), host);
  }
  void fill(float* y, size_t count, float value) override { dense::fill(stream_, y, count, value); }
  void copy(const float* x, float* y, size_t count) override {
    if (count == 0) return;
    require(cudaMemcpyAsync(y, x, count * sizeof(float), cudaMemcpyDeviceToDevice, stream_.get()),
            "copy on the device");
  }

  void gemm(const Gemm& problem) override { dense::gemm(stream_, problem); }
  void unary(Unary kind, const float* x, float* y, size_t count) override {
    dense::unary(stream_, kind, x, y, count);
  }
  void binary(Binary kind, const StridedLoop& loop, const float* a, const float* b, float* y) override {
    dense::binary(stream_, kind, loop, a, b, y);
  }
  void addReduced(const StridedLoop& loop, const float* x, float* y) override {
    dense::addReduced(stream_, loop, x, y);
  }
  void scale(const float* x, float* y, size_t count, float factor, float shift) override {
    dense::scale(stream_, x, y, count, factor, shift);
  }
  void combine(const float* x, float* y, size_t count, float factor, float keep) override {
    dense::combine(stream_, x, y, count, factor, keep);
  }
  void normalise(float* x, size_t count, float* length) override {
    dense::normalise(stream_, x, count, length);
  }
  void clipFactor(const float* squares, size_t count, float most, float* factor) override {
    dense::clipFactor(stream_, squares, count, most, factor);
  }
  void gather(const float* x, const int32_t* indices, float* y, size_t count) override {
    dense::gather(stream_, x, indices, y, count);
  }
  void scatterAdd(const float* x, const int32_t* indices, float* y, size_t count) override {
    dense::scatterAdd(stream_, x, indices, y, count);
  }
  void largestOfRows(const float* x, int rows, int columns, float* y) override {
    dense::largestOfRows(stream_, x, rows, columns, y);
  }
  void largestGradient(const float* x, const float* y, const float* weights, int rows, int columns,
                       float* gradient) override {
    dense::largestGradient(stream_, x, y, weights, rows, columns, gradient);
  }
  void logSumExpOfRows(const float* x, int rows, int columns, float* y) override {
    dense::logSumExpOfRows(stream_, x, rows, columns, y);
  }
  void gateRows(const float* x, const float* y, int rows, int columns, float* gated, float* sums) override {
    dense::gate(stream_, x, y, gated, static_cast<size_t>(rows) * static_cast<size_t>(columns));
    if (sums && rows > 0) dense::addReduced(stream_, {2, {rows, columns}, {{{0, 1}, {}}}}, gated, sums);
  }
  void crossEntropies(const CrossEntropy& problem, float* normalisers, float* losses) override {
    dense::crossEntropies(stream_, problem, normalisers, losses);
  }
  void crossEntropyGradient(const CrossEntropy& problem, const float* normalisers, const float* weights,
                            float* gradient) override {
    dense::crossEntropyGradient(stream_, problem, normalisers, weights, gradient);
  }
  void countCorrect(const CrossEntropy& problem, float* count) override {
    dense::countCorrect(stream_, problem, count);
  }
  void keepLarger(const float* scores, const float* x, int rows, int columns, float* best,
                  float* kept) override {
    dense::keepLarger(stream_, scores, x, rows, columns, best, kept);
  }
  void convolve(const DenseConv& conv, const float* x, const float* weight, float* y) override {
    dense::convolve(stream_, conv, x, weight, y);
  }
  void convolveInput(const DenseConv& conv, const float* y, const float* weight, float* x) override {
    dense::convolveInput(stream_, conv, y, weight, x);
  }
  void convolveWeight(const DenseConv& conv, const float* x, const float* y, float* weight) override {
    dense::convolveWeight(stream_, conv, x, y, weight);
  }
  void adam(const AdamStep& step, const float* gradient, float* weight, float* first, float* second,
            size_t count, const MovingAverage& average) override {
    dense::adam(stream_, step, gradient, weight, first, second, count, average);
  }
  void signStep(const SignStep& step, const float* gradient, const float* centre, float* x,
                size_t count) override {
    dense::signStep(stream_, step, gradient, centre, x, count);
  }
  void signStepAlong(const SignStep& step, const Ascent& ascent) override {
    dense::signStepAlong(stream_, step, ascent);
  }
  void uniform(uint64_t seed, float low, float high, float* y, size_t count) override {
    dense::uniform(stream_, seed, low, high, y, count);
  }
  void gaussian(uint64_t seed, float deviation, float* y, size_t count) override {
    dense::gaussian(stream_, seed, deviation, y, count);
  }

 private:
  const std::shared_ptr<Stream> shared_;
  Stream& stream_;
};

}  // namespace

std::unique_ptr<Dense> makeDense(const std::shared_ptr<Memory>& memory) {
  return std::make_unique<CudaDense>(memory);
}

}  // namespace bulwark::BULWARK_CUDA
