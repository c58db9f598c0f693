// The CPU backend: memory, moves between rows and lanes, and a call into the chosen table for all arithmetic.

#include "kernels/backend.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "kernels/cpu/affine_plan.h"
#include "kernels/cpu/clipped_l1.h"
#include "kernels/cpu/dispatch.h"
#include "kernels/cpu/row_state.h"

namespace bulwark {
namespace {

constexpr std::align_val_t kAlignment{64};

class CpuBuffer : public Buffer {
 public:
  explicit CpuBuffer(size_t bytes) : data_(::operator new(std::max<size_t>(bytes, 1), kAlignment)) {}
  ~CpuBuffer() override { ::operator delete(data_, kAlignment); }
  CpuBuffer(const CpuBuffer&) = delete;
  CpuBuffer& operator=(const CpuBuffer&) = delete;
  void* data() override { return data_; }

 private:
  void* data_;
};

size_t blockFloats(View view) { return static_cast<size_t>(view.features) * kLanes; }
size_t rowStart(View view, int row) { return (row / kLanes) * blockFloats(view) + row % kLanes; }

/// Rows of a block meet its columns a cache line of each row at a time: visit(lane, first feature, how many).
/// Feature by feature, all rows would be under way at once, and where their length is a multiple of 4 KiB
/// they drive one another out of the cache.
template <class Visit>
void eachTile(int features, int rows, Visit visit) {
  constexpr int kTile = 16;
  for (int i = 0; i < features; i += kTile) {
    const bool whole = features - i >= kTile;
    for (int lane = 0; lane < rows; ++lane) visit(lane, i, whole ? kTile : features - i);
  }
}

class CpuBackend : public Backend {
 public:
  explicit CpuBackend(const KernelTable& kernels) : kernels_(kernels) {}

  int lanes() const override { return kLanes; }
  const char* name() const override { return kernels_.name; }

  std::unique_ptr<Buffer> allocate(size_t bytes) override { return std::make_unique<CpuBuffer>(bytes); }
  void fill(View out, float value) override { std::fill_n(out.data, blockFloats(out) * out.blocks, value); }
  void fill(Rows out, float value) override { std::fill_n(out.data, out.blocks * kLanes, value); }
  void fill(Sums out, double value) override { std::fill_n(out.data, out.blocks * kLanes, value); }

  void pack(const float* rows, int count, View out) override {
    for (int block = 0; block < out.blocks; ++block) {
      const int present = std::clamp(count - block * kLanes, 0, kLanes);
      const float* from = rows + static_cast<size_t>(block) * kLanes * out.features;
      float* to = out.data + block * blockFloats(out);
      if (present < kLanes) std::fill_n(to, blockFloats(out), 0.0f);
      eachTile(out.features, present, [&](int lane, int i, int length) {
        const float* row = from + static_cast<size_t>(lane) * out.features + i;
        float* column = to + static_cast<size_t>(i) * kLanes + lane;
        for (int k = 0; k < length; ++k) column[k * kLanes] = row[k];
      });
    }
  }

  void unpack(View in, float* rows, int count) override {
    for (int block = 0; block * kLanes < count; ++block) {
      const float* from = in.data + block * blockFloats(in);
      float* to = rows + static_cast<size_t>(block) * kLanes * in.features;
      eachTile(in.features, std::min(count - block * kLanes, kLanes), [&](int lane, int i, int length) {
        float* row = to + static_cast<size_t>(lane) * in.features + i;
        const float* column = from + static_cast<size_t>(i) * kLanes + lane;
        for (int k = 0; k < length; ++k) row[k] = column[k * kLanes];
      });
    }
  }

  void readRow(View in, int row, float* host) override {
    const float* from = in.data + rowStart(in, row);
    for (int i = 0; i < in.features; ++i) host[i] = from[static_cast<size_t>(i) * kLanes];
  }
  void writeRow(const float* host, int row, View out) override {
    float* to = out.data + rowStart(out, row);
    for (int i = 0; i < out.features; ++i) to[static_cast<size_t>(i) * kLanes] = host[i];
  }
  void put(float value, int feature, int row, View out) override {
    out.data[rowStart(out, row) + static_cast<size_t>(feature) * kLanes] = value;
  }

  void write(const float* host, Rows out) override { std::copy_n(host, out.blocks * kLanes, out.data); }
  void write(const double* host, Sums out) override { std::copy_n(host, out.blocks * kLanes, out.data); }
  void read(Rows in, float* host) override { std::copy_n(in.data, in.blocks * kLanes, host); }
  void read(Sums in, double* host) override { std::copy_n(in.data, in.blocks * kLanes, host); }

  void gather(View in, const int32_t* source, View out) override { kernels_.gather(in, source, out); }
  void gather(Rows in, const int32_t* source, Rows out) override {
    for (int row = 0; row < out.blocks * kLanes; ++row)
      if (source[row] >= 0) out.data[row] = in.data[source[row]];
  }

  void select(Rows which, View in, View out) override { kernels_.select(which, in, out); }

  void units(const int32_t* feature, const float* sign, View out) override {
    fill(out, 0.0f);
    for (int row = 0; row < out.blocks * kLanes; ++row)
      if (feature[row] >= 0) put(sign[row], feature[row], row, out);
  }

  std::unique_ptr<AffinePlan> plan(const Affine& affine) override {
    return std::make_unique<CpuAffinePlan>(affine, kernels_);
  }
  void apply(const AffinePlan& plan, Pass pass, View in, View out, Write write) override {
    static_cast<const CpuAffinePlan&>(plan).apply(kernels_, pass, in, out, write);
  }
  void addBias(const AffinePlan& plan, View y) override {
    static_cast<const CpuAffinePlan&>(plan).addBias(kernels_, y);
  }
  void copy(View in, View out, Write write) override { kernels_.copy(in, out, write == Write::accumulate); }

  void reluDual(const ReluLayer& layer, View c, const uint8_t* fresh, View v, View dz, Sums value,
                Rows distance2) override {
    kernels_.reluDual(layer, c, fresh, v, dz, value, distance2);
  }
  void reluAscend(const ReluLayer& layer, View y, View dz, View c, const Adam& adam) override {
    kernels_.reluAscend(layer, y, dz, c, adam);
  }
  void slopes(const ReluLayer& layer, View c, View out) override { kernels_.slopes(layer, c, out); }
  void losses(const ReluLayer& layer, View y, View dz, View c, View out) override {
    kernels_.losses(layer, y, dz, c, out);
  }
  void pin(View zhat, int feature, int row, View bound) override {
    put(-zhat.data[rowStart(zhat, row) + static_cast<size_t>(feature) * kLanes], feature, row, bound);
  }
  void norm2(View in, Rows out) override { kernels_.norm2(in, out); }
  void inputDual(InputRegion region, View a, int steps, View dx, Sums value) override {
    if (region.kind == InputKind::l1 && region.clipped) return clippedL1Input(region, a, dx, value);
    kernels_.inputDual(region, a, steps, dx, value);
  }
  void deflect(const InputRegion& region, Rows keep, Rows add, View pulled, View dx) override {
    kernels_.deflect(region, keep, add, pulled, dx);
  }

  void payBalls(const Balls& balls) override { bulwark::payBalls(balls); }
  void startBall(const Balls& balls, int layer, BallStart stage, const uint8_t* fresh, Rows scale,
                 Sums atZero) override {
    bulwark::startBall(balls, layer, stage, fresh, scale, atZero);
  }
  void stepBalls(const Balls& balls, Rows correction) override { bulwark::stepBalls(balls, correction); }
  void coupleInput(const CoupledInput& input) override { bulwark::coupleInput(input); }
  void dualValue(const Balls& balls, Sums input, Sums value) override {
    bulwark::dualValue(balls, input, value);
  }
  void judge(const AscentRows& rows) override { bulwark::judge(rows); }

  void midRadius(View lower, View upper, View mid, View radius) override {
    kernels_.midRadius(lower, upper, mid, radius);
  }
  void ballBox(View mid, View radius, const float* reach, Rows rho, float slack, View lower,
               View upper) override {
    kernels_.ballBox(mid, radius, reach, rho, slack, lower, upper);
  }
  void intersectBox(View lower, View upper, View intoLower, View intoUpper) override {
    kernels_.intersectBox(lower, upper, intoLower, intoUpper);
  }
  void reluBox(View zhat, View lower, View upper, View outLower, View outUpper) override {
    kernels_.reluBox(zhat, lower, upper, outLower, outUpper);
  }
  void relu(View x, View y) override { kernels_.relu(x, y); }
  void reluMask(View x, View g) override { kernels_.reluMask(x, g); }

  void dot(View a, View b, Rows value) override { kernels_.dot(a, b, value); }
  void keepBest(Rows value, View x, Rows best, View kept) override {
    kernels_.keepBest(value, x, best, kept);
  }
  void descend(const InputRegion& region, View gradient, float step, View dx) override {
    kernels_.descend(region, gradient, step, dx);
  }

  void noise(const NoiseStream& stream, const float* center, float sigma, View out) override {
    kernels_.noise(stream, center, sigma, out);
  }

 private:
  const KernelTable& kernels_;
};

}  // namespace

std::unique_ptr<Backend> makeCpuBackend(const char* instructionSet) {
  return std::make_unique<CpuBackend>(chooseKernels(instructionSet));
}

}  // namespace bulwark
