// The CUDA backend: what the interface asks for, enqueued on one stream. Only calls that hand numbers to the
// host wait.
#include "kernels/cuda/affine_plan.h"
#include "kernels/cuda/attack.h"
#include "kernels/cuda/elementwise.h"
#include "kernels/cuda/graph.h"
#include "kernels/cuda/input.h"
#include "kernels/cuda/make_backend.h"
#include "kernels/cuda/noise.h"
#include "kernels/cuda/relu.h"
#include "kernels/cuda/row_state.h"
#include "kernels/cuda/rows.h"

namespace bulwark::BULWARK_CUDA {
namespace {

/// Two streams of as many keep every multiprocessor of a large GPU supplied with thread blocks.
constexpr int kLeastRows = 2048;
/// Eight evaluations of a small network are about what a look at the device costs ten times over; and a
/// proven row that nobody looks at computes for nothing.
constexpr int kStepsAhead = 8;

/// Given back when the stream that used it is done.
class DeviceBuffer final : public Buffer {
 public:
  DeviceBuffer(std::shared_ptr<Stream> stream, size_t bytes) : stream_(std::move(stream)) {
    stream_->requireNow();
    piece_ = Piece(stream_->memory(), bytes);
  }
  ~DeviceBuffer() override { cudaStreamSynchronize(stream_->get()); }
  DeviceBuffer(const DeviceBuffer&) = delete;
  DeviceBuffer& operator=(const DeviceBuffer&) = delete;
  void* data() override { return piece_.data(); }

 private:
  const std::shared_ptr<Stream> stream_;
  Piece piece_;
};

View asView(Rows rows) { return {rows.data, 1, rows.blocks}; }
size_t rowCount(Sums sums) { return static_cast<size_t>(sums.blocks) * kLanes; }

const CudaAffinePlan& own(const AffinePlan& plan) {
  const auto* mine = dynamic_cast<const CudaAffinePlan*>(&plan);
  if (!mine) throw std::invalid_argument("affine apply: the plan was made for another device");
  return *mine;
}

class CudaBackend final : public Backend {
 public:
  CudaBackend(const std::string& name, const std::shared_ptr<Memory>& memory, bool graphs,
              const std::shared_ptr<CublasHandles>& library)
      : name_(name),
        graphs_(graphs),
        shared_(std::make_shared<Stream>(memory)),
        stream_(*shared_),
        library_(library ? library->lend(shared_) : nullptr) {}

  int lanes() const override { return kLanes; }
  int leastRows() const override { return kLeastRows; }
  size_t memoryLeft() const override { return stream_.memory()->left(); }
  int stepsAhead() const override { return kStepsAhead; }
  const char* name() const override { return name_.c_str(); }
  void finish() override { stream_.finish(); }
  std::unique_ptr<Recording> record(const std::function<void()>& calls) override {
    return graphs_ ? recordGraph(shared_, calls) : nullptr;
  }

  std::unique_ptr<Buffer> allocate(size_t bytes) override {
    return std::make_unique<DeviceBuffer>(shared_, bytes);
  }
  void fill(View out, float value) override { BULWARK_CUDA::fill(stream_, out.data, viewFloats(out), value); }
  void fill(Rows out, float value) override { fill(asView(out), value); }
  void fill(Sums out, double value) override { BULWARK_CUDA::fill(stream_, out.data, rowCount(out), value); }
  void pack(const float* rows, int count, View out) override {
    BULWARK_CUDA::pack(stream_, rows, count, out);
  }
  void unpack(View in, float* rows, int count) override { BULWARK_CUDA::unpack(stream_, in, rows, count); }
  void write(const float* host, Rows out) override {
    stream_.upload(host, viewFloats(asView(out)) * sizeof(float), out.data);
  }
  void write(const double* host, Sums out) override {
    stream_.upload(host, rowCount(out) * sizeof(double), out.data);
  }
  void read(Rows in, float* host) override {
    stream_.download(in.data, viewFloats(asView(in)) * sizeof(float), host);
  }
  void read(Sums in, double* host) override {
    stream_.download(in.data, rowCount(in) * sizeof(double), host);
  }
  void readRow(View in, int row, float* host) override { BULWARK_CUDA::readRow(stream_, in, row, host); }
  void writeRow(const float* host, int row, View out) override {
    BULWARK_CUDA::writeRow(stream_, host, row, out);
  }
  void put(float value, int feature, int row, View out) override {
    BULWARK_CUDA::put(stream_, value, feature, row, out);
  }
  void gather(View in, const int32_t* source, View out) override {
    BULWARK_CUDA::gather(stream_, in, source, out);
  }
  void gather(Rows in, const int32_t* source, Rows out) override { gather(asView(in), source, asView(out)); }
  void select(Rows which, View in, View out) override { BULWARK_CUDA::select(stream_, which, in, out); }
  void units(const int32_t* feature, const float* sign, View out) override {
    BULWARK_CUDA::units(stream_, feature, sign, out);
  }

  std::unique_ptr<AffinePlan> plan(const Affine& affine) override {
    return std::make_unique<CudaAffinePlan>(affine, stream_.memory());
  }
  void apply(const AffinePlan& plan, Pass pass, View in, View out, Write write) override {
    own(plan).apply(stream_.get(), library_.get(), pass, in, out, write);
  }
  void addBias(const AffinePlan& plan, View y) override { own(plan).addBias(stream_.get(), y); }
  void copy(View in, View out, Write write) override {
    BULWARK_CUDA::copy(stream_, in, out, write == Write::accumulate);
  }

  void reluDual(const ReluLayer& layer, View c, const uint8_t* fresh, View v, View dz, Sums value,
                Rows distance2) override {
    BULWARK_CUDA::reluDual(stream_, layer, c, fresh, v, dz, value, distance2);
  }
  void reluAscend(const ReluLayer& layer, View y, View dz, View c, const Adam& adam) override {
    BULWARK_CUDA::reluAscend(stream_, layer, y, dz, c, adam);
  }
  void slopes(const ReluLayer& layer, View c, View out) override {
    BULWARK_CUDA::slopes(stream_, layer, c, out);
  }
  void losses(const ReluLayer& layer, View y, View dz, View c, View out) override {
    BULWARK_CUDA::losses(stream_, layer, y, dz, c, out);
  }
  void pin(View zhat, int feature, int row, View bound) override {
    BULWARK_CUDA::pin(stream_, zhat, feature, row, bound);
  }
  void norm2(View in, Rows out) override { BULWARK_CUDA::norm2(stream_, in, out); }
  void inputDual(InputRegion region, View a, int steps, View dx, Sums value) override {
    BULWARK_CUDA::inputDual(stream_, region, a, steps, dx, value);
  }
  void deflect(const InputRegion& region, Rows keep, Rows add, View pulled, View dx) override {
    BULWARK_CUDA::deflect(stream_, region, keep, add, pulled, dx);
  }

  void payBalls(const Balls& balls) override { BULWARK_CUDA::payBalls(stream_, balls); }
  void startBall(const Balls& balls, int layer, BallStart stage, const uint8_t* fresh, Rows scale,
                 Sums atZero) override {
    BULWARK_CUDA::startBall(stream_, balls, layer, stage, fresh, scale, atZero);
  }
  void stepBalls(const Balls& balls, Rows correction) override {
    BULWARK_CUDA::stepBalls(stream_, balls, correction);
  }
  void coupleInput(const CoupledInput& input) override { BULWARK_CUDA::coupleInput(stream_, input); }
  void dualValue(const Balls& balls, Sums input, Sums value) override {
    BULWARK_CUDA::dualValue(stream_, balls, input, value);
  }
  void judge(const AscentRows& rows) override { BULWARK_CUDA::judge(stream_, rows); }

  void midRadius(View lower, View upper, View mid, View radius) override {
    BULWARK_CUDA::midRadius(stream_, lower, upper, mid, radius);
  }
  void ballBox(View mid, View radius, const float* reach, Rows rho, float slack, View lower,
               View upper) override {
    BULWARK_CUDA::ballBox(stream_, mid, radius, reach, rho, slack, lower, upper);
  }
  void intersectBox(View lower, View upper, View intoLower, View intoUpper) override {
    BULWARK_CUDA::intersectBox(stream_, lower, upper, intoLower, intoUpper);
  }
  void reluBox(View zhat, View lower, View upper, View outLower, View outUpper) override {
    BULWARK_CUDA::reluBox(stream_, zhat, lower, upper, outLower, outUpper);
  }
  void relu(View x, View y) override { BULWARK_CUDA::relu(stream_, x, y); }
  void reluMask(View x, View g) override { BULWARK_CUDA::reluMask(stream_, x, g); }

  void dot(View a, View b, Rows value) override { BULWARK_CUDA::dot(stream_, a, b, value); }
  void keepBest(Rows value, View x, Rows best, View kept) override {
    BULWARK_CUDA::keepBest(stream_, value, x, best, kept);
  }
  void descend(const InputRegion& region, View gradient, float step, View dx) override {
    BULWARK_CUDA::descend(stream_, region, gradient, step, dx);
  }

  void noise(const NoiseStream& stream, const float* center, float sigma, View out) override {
    BULWARK_CUDA::noise(stream_, stream, center, sigma, out);
  }

 private:
  const std::string name_;
  const bool graphs_;
  const std::shared_ptr<Stream> shared_;  // buffers outlive their backend
  Stream& stream_;
  const std::shared_ptr<Cublas> library_;  // null: own kernels
};

}  // namespace

std::unique_ptr<Backend> makeBackend(const std::string& name, const std::shared_ptr<Memory>& memory,
                                     bool graphs, const std::shared_ptr<CublasHandles>& library) {
  return std::make_unique<CudaBackend>(name, memory, graphs, library);
}

}  // namespace bulwark::BULWARK_CUDA
