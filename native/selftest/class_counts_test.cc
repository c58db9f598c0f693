// Counting classes under noise: against float64, for any number of threads, with NaN outputs.
#include "sampling/class_counts.h"

#include <algorithm>
#include <atomic>
#include <limits>
#include <vector>

#include "selftest/harness.h"
#include "selftest/network_graphs.h"
#include "selftest/noise_reference.h"

namespace bulwark::selftest {
namespace {

const StopCheck kNever = [] { return false; };
const auto kQuiet = [](uint32_t) {};

NoisyImages randomImages(Random& random, const Network& network, int count) {
  NoisyImages images;
  for (int i = 0; i < count * network.inputSize(); ++i)
    images.centers.push_back(static_cast<float>(normal(random)));
  for (int i = 0; i < count; ++i) images.streams.push_back(static_cast<uint32_t>(random()));
  images.sigma = 0.7f;
  images.seed = random();
  images.first = static_cast<uint32_t>(pick(random, 0, 1000));
  images.samples = static_cast<uint32_t>(pick(random, 1, 300));
  return images;
}

const Test countTest("class counts: every sample at the class that float64 sees", [](Context& context,
                                                                                     Device& device) {
  const auto backend = device.makeBackend();
  for (int round = 0; round < 20; ++round) {
    const std::vector<graph::Node> nodes = randomGraph(context.random, 8);
    const Network network = lower(nodes);
    const Plans plans(network, *backend);
    const NoisyImages images = randomImages(context.random, network, 2);
    ThreadPool pool(2);
    Workers workers(pool, device);
    const std::vector<int64_t> counts = countClasses(network, plans, workers, images, kNever, kQuiet);
    const int inputs = network.inputSize(), outputs = network.outputSize();
    const std::vector<int32_t> inputOrder = network.order(0);
    const std::vector<int32_t> outputOrder = network.order(static_cast<int>(network.nodes.size()) - 1);
    for (int image = 0; image < 2; ++image) {
      std::vector<int64_t> sure(outputs);
      int64_t close = 0;
      for (uint32_t sample = 0; sample < images.samples; ++sample) {
        const NoiseStream stream{images.seed, images.streams[image], 0};
        std::vector<double> x(inputs);
        for (int i = 0; i < inputs; ++i)
          x[inputOrder[i]] =
              images.centers[image * inputs + i] + images.sigma * normalAt(stream, images.first + sample, i);
        const std::vector<double> y = evaluate(nodes, x).back();
        double scale = 1;
        for (const double value : y) scale = std::max(scale, std::abs(value));
        const auto best = std::max_element(y.begin(), y.end());
        const bool tied =
            std::count_if(y.begin(), y.end(), [&](double value) { return value > *best - 1e-3 * scale; }) > 1;
        tied ? ++close : ++sure[best - y.begin()];
      }
      int64_t total = 0;
      for (int i = 0; i <= outputs; ++i) total += counts[image * (outputs + 1) + i];
      context.check(total == images.samples, "every sample is counted once");
      context.check(counts[image * (outputs + 1) + outputs] == 0, "no NaN");
      for (int i = 0; i < outputs; ++i) {
        const int64_t counted = counts[image * (outputs + 1) + i], least = sure[outputOrder[i]];
        context.check(least <= counted && counted <= least + close, "count of a class");
      }
    }
  }
});

const Test threadsTest("class counts: the same for any number of threads", [](Context& context,
                                                                              Device& device) {
  const auto backend = device.makeBackend();
  const Network network = lower(randomGraph(context.random, 6));
  const Plans plans(network, *backend);
  NoisyImages images = randomImages(context.random, network, 3);
  images.samples = 1500;
  std::vector<int64_t> expected;
  for (const int threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    Workers workers(pool, device);
    std::atomic<long> done{0};
    const std::vector<int64_t> counts =
        countClasses(network, plans, workers, images, kNever, [&](uint32_t samples) { done += samples; });
    context.check(done == 3 * 1500, "progress adds up");
    if (expected.empty()) expected = counts;
    context.check(counts == expected, "same counts");
  }
  // Two halves of the samples are the whole.
  ThreadPool pool(2);
  Workers workers(pool, device);
  NoisyImages front = images, back = images;
  front.samples = 700;
  back.first += 700;
  back.samples = 800;
  std::vector<int64_t> sum = countClasses(network, plans, workers, front, kNever, kQuiet);
  const std::vector<int64_t> rest = countClasses(network, plans, workers, back, kNever, kQuiet);
  for (size_t i = 0; i < sum.size(); ++i) sum[i] += rest[i];
  context.check(sum == expected, "samples are numbered through");
});

const Test nanTest("class counts: a NaN is no class", [](Context& context, Device& device) {
  GraphBuilder builder({2});
  builder.linear(context.random, 0, {3});
  const Network network = lower(builder.nodes);
  const Plans plans(network, *device.makeBackend());
  NoisyImages images = randomImages(context.random, network, 1);
  images.centers[0] = std::numeric_limits<float>::quiet_NaN();
  ThreadPool pool(1);
  Workers workers(pool, device);
  const std::vector<int64_t> counts = countClasses(network, plans, workers, images, kNever, kQuiet);
  context.check(counts[3] == images.samples, "all samples are NaN");
});

}  // namespace
}  // namespace bulwark::selftest
