// Provisional: every operator as a list of weights.
#include <cmath>
#include <limits>
#include <stdexcept>
#include <variant>

#include "kernels/cuda/affine_plan.h"
#include "kernels/cuda/lanes.h"
#include "network/conv_walk.h"

namespace bulwark::BULWARK_CUDA {
namespace {

__global__ void sums(const int* start, const int* source, const float* weight, const float* x, int in,
                     int out, float* y, bool accumulate) {
  const int i = static_cast<int>(blockIdx.x * kWarps + threadIdx.y);
  if (i >= out) return;
  const float* from = x + static_cast<size_t>(blockIdx.y) * in * kLanes + threadIdx.x;
  float sum = 0.0f;
  for (int k = start[i]; k < start[i + 1]; ++k)
    sum += weight[k] * from[static_cast<size_t>(source[k]) * kLanes];
  float& to = y[(static_cast<size_t>(blockIdx.y) * out + i) * kLanes + threadIdx.x];
  to = accumulate ? to + sum : sum;
}

__global__ void shift(const float* bias, int features, float* y) {
  const int i = static_cast<int>(blockIdx.x * kWarps + threadIdx.y);
  if (i < features) y[(static_cast<size_t>(blockIdx.y) * features + i) * kLanes + threadIdx.x] += bias[i];
}

float magnitudeAbove(double x) {
  const double size = std::fabs(x);
  const float near = static_cast<float>(size);
  return near >= size ? near : std::nextafterf(near, std::numeric_limits<float>::infinity());
}

}  // namespace

CudaAffinePlan::CudaAffinePlan(const Affine& affine, const std::shared_ptr<Memory>& memory)
    : in_(inputSize(affine)), out_(outputSize(affine)) {
  struct Entry {
    int to, from;
    double weight;
  };
  std::vector<Entry> entries;
  std::vector<float> bias;
  const auto add = [&](int to, int from, double weight) { entries.push_back({to, from, weight}); };
  if (const auto* linear = std::get_if<Linear>(&affine)) {
    for (int o = 0; o < out_; ++o)
      for (int i = 0; i < in_; ++i) add(o, i, linear->weight[static_cast<size_t>(o) * in_ + i]);
    bias.assign(linear->bias.begin(), linear->bias.end());
  } else if (const auto* conv = std::get_if<Conv>(&affine)) {
    const int inputs = conv->in.channels / conv->group, outputs = conv->out.channels / conv->group;
    for (int o = 0; o < conv->out.channels; ++o)
      for (int y = 0; y < conv->out.height; ++y)
        for (int x = 0; x < conv->out.width; ++x)
          for (int i = 0; i < inputs; ++i)
            for (int ky = 0; ky < conv->kernel[0]; ++ky)
              for (int kx = 0; kx < conv->kernel[1]; ++kx) {
                const int row = y * conv->strides[0] - conv->pads[0] + ky * conv->dilations[0];
                const int column = x * conv->strides[1] - conv->pads[1] + kx * conv->dilations[1];
                if (row < 0 || row >= conv->in.height || column < 0 || column >= conv->in.width) continue;
                add((y * conv->out.width + x) * conv->out.channels + o,
                    (row * conv->in.width + column) * conv->in.channels + o / outputs * inputs + i,
                    conv->weight[((static_cast<size_t>(o) * inputs + i) * conv->kernel[0] + ky) *
                                     conv->kernel[1] +
                                 kx]);
              }
    bias.assign(conv->bias.begin(), conv->bias.end());
  } else if (const auto* scale = std::get_if<Scale>(&affine)) {
    for (int i = 0; i < in_; ++i) add(i, i, scale->scale[i]);
    bias.assign(scale->shift.begin(), scale->shift.end());
  } else {
    const auto& index = std::get<Index>(affine);
    for (int i = 0; i < out_; ++i)
      if (index.source[i] >= 0) add(i, index.source[i], 1.0);
  }
  const auto rowsOf = [&](bool transposed, auto&& rounded) {
    const int count = transposed ? in_ : out_;
    std::vector<int> start(count + 1), source(entries.size());
    std::vector<float> weight(entries.size());
    for (const Entry& entry : entries) ++start[(transposed ? entry.from : entry.to) + 1];
    for (int i = 0; i < count; ++i) start[i + 1] += start[i];
    std::vector<int> at(start.begin(), start.end() - 1);
    for (const Entry& entry : entries) {
      const int place = at[transposed ? entry.from : entry.to]++;
      source[place] = transposed ? entry.to : entry.from;
      weight[place] = rounded(entry.weight);
    }
    return Rows{Array<int>(memory, start), Array<int>(memory, source), Array<float>(memory, weight)};
  };
  const auto nearest = [](double x) { return static_cast<float>(x); };
  forward_ = rowsOf(false, nearest);
  adjoint_ = rowsOf(true, nearest);
  magnitude_ = rowsOf(false, magnitudeAbove);
  bias_ = Array<float>(memory, bias);
}

void CudaAffinePlan::apply(cudaStream_t stream, Pass pass, View in, View out, Write write) const {
  const bool adjoint = pass == Pass::adjoint;
  if (in.features != (adjoint ? out_ : in_) || out.features != (adjoint ? in_ : out_) ||
      in.blocks != out.blocks)
    throw std::invalid_argument("affine apply: sizes");
  const Rows& rows = adjoint ? adjoint_ : pass == Pass::magnitude ? magnitude_ : forward_;
  launch(stream, sums, dim3(divideUp(out.features, kWarps), out.blocks), dim3(kLanes, kWarps),
         rows.start.data(), rows.source.data(), rows.weight.data(), in.data, in.features, out.features,
         out.data, write == Write::accumulate);
}

void CudaAffinePlan::addBias(cudaStream_t stream, View y) const {
  if (bias_.size() == 0) return;
  launch(stream, shift, dim3(divideUp(y.features, kWarps), y.blocks), dim3(kLanes, kWarps), bias_.data(),
         y.features, y.data);
}

}  // namespace bulwark::BULWARK_CUDA
