// Products on the device, tile by tile: whichever kernel makes a sum, whatever else is in the batch, it is
// the same bits, and no further from the float64 sum than its number of roundings allows.
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "kernels/cuda/stream.h"
#include "kernels/cuda/tap_plan.h"
#include "selftest/batch.h"
#include "selftest/emulation/emulation.h"
#include "selftest/harness.h"

namespace bulwark::selftest {
namespace {

using namespace bulwark::BULWARK_CUDA;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// A view with memory of its own, and its numbers on the host in the device's order.
class Floats {
 public:
  Floats(const std::shared_ptr<Memory>& memory, int features, int blocks)
      : host(static_cast<size_t>(features) * blocks * kLanes, kNan),
        piece_(memory, host.size() * sizeof(float)),
        view_{static_cast<float*>(piece_.data()), features, blocks} {
    upload();
  }
  View view() const { return view_; }
  void upload() {
    require(cudaMemcpy(view_.data, host.data(), host.size() * sizeof(float), cudaMemcpyHostToDevice),
            "upload");
  }
  void download() {
    require(cudaMemcpy(host.data(), view_.data, host.size() * sizeof(float), cudaMemcpyDeviceToHost),
            "download");
  }
  std::vector<float> host;

 private:
  Piece piece_;
  View view_;
};

/// Bitwise, for NaN is not equal to itself.
bool sameBits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

/// Visits every output feature of a block with its terms: visit(feature, [(weight, input feature)]).
template <typename Visit>
void eachSum(const TapProblem& problem, Visit visit) {
  std::vector<size_t> place(problem.order.size());
  for (size_t i = 0; i < problem.order.size(); ++i) place[problem.order[i]] = i;
  const int channels = problem.depth * problem.groups;
  for (size_t pixel = 0; pixel < problem.taps.size(); ++pixel)
    for (int group = 0; group < problem.groups; ++group)
      for (int output = 0; output < problem.outputs; ++output) {
        std::vector<std::pair<float, size_t>> terms;
        for (const Tap& tap : problem.taps[pixel])
          for (int k = 0; k < problem.depth; ++k)
            terms.emplace_back(
                problem.weight[((group * problem.order.size() + place[tap.element]) * problem.depth + k) *
                                   problem.outputs +
                               output],
                static_cast<size_t>(tap.source) * channels + group * problem.depth + k);
        visit(static_cast<size_t>(problem.place[pixel] + group * problem.groupStride + output), terms);
      }
}

/// The largest error in units of its bound: gamma_n times the sum of magnitudes, n roundings.
double worstError(const TapProblem& problem, const Floats& in, const std::vector<float>& before,
                  const Floats& out) {
  double worst = 0;
  eachSum(problem, [&](size_t feature, const auto& terms) {
    const double n = static_cast<double>(terms.size()) + 1, gamma = n * 0x1p-24 / (1 - n * 0x1p-24);
    for (int row = 0; row < out.view().blocks * kLanes; ++row) {
      const size_t block = row / kLanes, lane = row % kLanes;
      const size_t at = (block * out.view().features + feature) * kLanes + lane;
      double sum = before[at], size = std::fabs(before[at]);
      for (const auto& [weight, source] : terms) {
        const double product =
            static_cast<double>(weight) * in.host[(block * in.view().features + source) * kLanes + lane];
        sum += product;
        size += std::fabs(product);
      }
      const double error = std::fabs(out.host[at] - sum) / (gamma * size + 1e-40);
      worst = error <= worst ? worst : error;  // keeps a NaN
    }
  });
  return worst;
}

void checkProblem(Context& context, Stream& stream, const std::string& name, const TapProblem& problem,
                  int blocks) {
  const std::shared_ptr<Memory>& memory = stream.memory();
  const TapPlan plan(problem, memory);
  Floats in(memory, problem.inFeatures, blocks), out(memory, problem.outFeatures, blocks);
  for (float& x : in.host) x = static_cast<float>(uniform(context.random, -1, 1));
  in.upload();
  const auto run = [&](const TapKernel& kernel, bool accumulate, View from, Floats& to) {
    plan.applyWith(kernel, stream.get(), from, to.view(), accumulate);
    stream.finish();
    to.download();
  };
  std::vector<float> first, added;
  for (const TapKernel& kernel : plan.kernels()) {
    const std::string title =
        name + " by " + std::to_string(kernel.outputs) + " x " + std::to_string(kernel.columns);
    out.host.assign(out.host.size(), kNan);
    out.upload();
    run(kernel, false, in.view(), out);
    if (first.empty()) {
      first = out.host;
      context.error(title, worstError(problem, in, std::vector<float>(first.size()), out), 1);
    }
    context.check(sameBits(out.host, first), title + ": the same bits as other tiles");
    run(kernel, true, in.view(), out);
    if (added.empty()) {
      added = out.host;
      context.error(title + " added", worstError(problem, in, first, out), 1);
    }
    context.check(sameBits(out.host, added), title + ": the same bits added");

    Floats alone(memory, problem.outFeatures, 1);
    run(kernel, false, {in.view().data, problem.inFeatures, 1}, alone);
    context.check(std::memcmp(alone.host.data(), first.data(), alone.host.size() * sizeof(float)) == 0,
                  title + ": the same bits alone");

    Floats spoilt(memory, problem.inFeatures, blocks);
    const size_t lane = 5;
    spoilt.host = in.host;
    for (size_t i = lane; i < spoilt.host.size(); i += kLanes) spoilt.host[i] = i % 2 ? kNan : INFINITY;
    spoilt.upload();
    run(kernel, false, spoilt.view(), out);
    bool apart = true;
    for (size_t i = 0; i < first.size(); ++i)
      apart = apart && (i % kLanes == lane || out.host[i] == first[i]);
    context.check(apart, title + ": a row's numbers stay in it");
  }
}

Linear linear(Random& random, int in, int out) {
  Linear made{in, out, std::vector<double>(static_cast<size_t>(in) * out), std::vector<double>(out)};
  for (double& weight : made.weight) weight = uniform(random, -1, 1);
  return made;
}

Conv conv(Random& random, Shape in, int channels, int kernel, int stride, int dilation, int pad, int group) {
  Conv made;
  made.in = in;
  made.group = group;
  made.kernel = {kernel, kernel};
  made.strides = {stride, stride};
  made.dilations = {dilation, dilation};
  made.pads = {pad, pad};
  const auto size = [&](int length) { return (length + 2 * pad - dilation * (kernel - 1) - 1) / stride + 1; };
  made.out = {channels, size(in.height), size(in.width)};
  made.weight.resize(static_cast<size_t>(channels) * in.channels / group * kernel * kernel);
  for (double& weight : made.weight) weight = uniform(random, -1, 1);
  made.bias.resize(made.out.size());
  return made;
}

#define BULWARK_TEXT(name) #name
#define BULWARK_NAME(name) BULWARK_TEXT(name)

const Test tapsTest("products by every tile [" BULWARK_NAME(BULWARK_CUDA) "]", [](Context& context) {
  if (const DeviceList found = devices(); found.devices.empty()) return context.skip(found.reason);
  Stream stream(std::make_shared<Memory>(size_t{1} << 28, 1));
  Random& random = context.random;
  // Sums cut eightfold, fourfold and not at all; outputs around the tiles' heights; one term, and many.
  for (const auto& [in, out] :
       {std::pair{1, 1}, {7, 3}, {33, 10}, {150, 33}, {70, 100}, {66, 260}, {33, 140}}) {
    const Linear made = linear(random, in, out);
    const std::string name = "linear " + std::to_string(in) + " -> " + std::to_string(out);
    checkProblem(context, stream, name, linearProblem(made, false, nearest), 2);
    checkProblem(context, stream, name + " adjoint", linearProblem(made, true, nearest), 2);
  }
  const auto both = [&](const char* name, const Conv& made) {
    checkProblem(context, stream, name, convProblem(made, false, nearest), 2);
    checkProblem(context, stream, std::string(name) + " adjoint", convProblem(made, true, nearest), 2);
  };
  both("conv 1 -> 16", conv(random, {1, 6, 5}, 16, 4, 2, 1, 1, 1));
  both("conv 3 -> 5", conv(random, {3, 7, 6}, 5, 4, 2, 1, 0, 1));
  both("conv 16 -> 34", conv(random, {16, 4, 5}, 34, 3, 1, 1, 1, 1));
  both("conv 8 -> 12 in groups, dilated", conv(random, {8, 7, 7}, 12, 3, 3, 2, 2, 4));
  both("conv 64 -> 4, stride above kernel", conv(random, {64, 4, 4}, 4, 1, 2, 1, 0, 1));
  both("conv 33 -> 130", conv(random, {33, 3, 2}, 130, 2, 1, 1, 1, 1));
  context.check(emulation::guardsIntact(), "nothing is written beside an allocation");
});

}  // namespace
}  // namespace bulwark::selftest
