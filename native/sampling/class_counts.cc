#include "sampling/class_counts.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>

#include "bounds/arena.h"
#include "kernels/forward.h"

namespace bulwark {
namespace {

/// Samples of one task on a CPU: enough to fill the widest register tiles, few enough that activations stay
/// in cache.
constexpr int kSamplesAtOnce = 128;

/// The memory of one thread.
class Sampler {
 public:
  Sampler(const Network& network, const Plans& plans, Backend& backend, uint32_t samples)
      : network_(network), plans_(plans), backend_(backend), arena_(backend), value_(network.nodes.size()) {
    const int blocks = (static_cast<int>(samples) + backend.lanes() - 1) / backend.lanes();
    for (size_t node = 0; node < network.nodes.size(); ++node)
      arena_.reserve(value_[node], network.nodes[node].shape.size(), blocks);
    arena_.reserve(center_, (network.inputSize() + backend.lanes() - 1) / backend.lanes());
    arena_.commit();
  }

  /// Adds to counts[outputSize + 1].
  void count(const float* center, float sigma, const NoiseStream& stream, int samples, int64_t* counts) {
    const int lanes = backend_.lanes(), outputs = network_.outputSize();
    std::vector<float> padded(static_cast<size_t>(center_.blocks) * lanes);
    std::copy_n(center, network_.inputSize(), padded.begin());
    backend_.write(padded.data(), center_);
    std::vector<View> active;
    for (const View& view : value_) active.push_back(blocksOf(view, 0, (samples + lanes - 1) / lanes, lanes));
    backend_.noise(stream, center_.data, sigma, active[0]);
    runForward(network_, plans_, backend_, active);
    output_.resize(static_cast<size_t>(samples) * outputs);
    backend_.unpack(active.back(), output_.data(), samples);
    for (int sample = 0; sample < samples; ++sample) {
      const float* y = output_.data() + static_cast<size_t>(sample) * outputs;
      const bool numbers = std::none_of(y, y + outputs, [](float value) { return std::isnan(value); });
      ++counts[numbers ? std::max_element(y, y + outputs) - y : outputs];
    }
  }

 private:
  const Network& network_;
  const Plans& plans_;
  Backend& backend_;
  Arena arena_;
  std::vector<View> value_;
  Rows center_;
  std::vector<float> output_;
};

}  // namespace

std::vector<int64_t> countClasses(const Network& network, const Plans& plans, Workers& workers,
                                  const NoisyImages& images, const StopCheck& stop,
                                  const std::function<void(uint32_t)>& done) {
  const size_t inputs = network.inputSize(), classes = static_cast<size_t>(network.outputSize()) + 1;
  std::vector<int64_t> counts(images.streams.size() * classes);
  const auto atOnce = static_cast<uint32_t>(std::max(kSamplesAtOnce, workers.main().leastRows()));
  const long tasks = (images.samples + atOnce - 1) / atOnce;
  std::map<const Backend*, Sampler> samplers;
  std::mutex mutex;
  const auto samplerOf = [&](Backend& backend) -> Sampler& {
    const std::lock_guard lock(mutex);
    return samplers.try_emplace(&backend, network, plans, backend, atOnce).first->second;
  };
  workers.each(static_cast<int>(static_cast<long>(images.streams.size()) * tasks),
               [&](int index, Backend& backend) {
                 if (stop()) return;
                 const size_t image = index / tasks;
                 const uint32_t begin = static_cast<uint32_t>(index % tasks) * atOnce;
                 const uint32_t samples = std::min(atOnce, images.samples - begin);
                 std::vector<int64_t> found(classes);
                 samplerOf(backend).count(images.centers.data() + image * inputs, images.sigma,
                                          {images.seed, images.streams[image], images.first + begin},
                                          static_cast<int>(samples), found.data());
                 {
                   const std::lock_guard lock(mutex);
                   for (size_t i = 0; i < classes; ++i) counts[image * classes + i] += found[i];
                 }
                 done(samples);
               });
  return counts;
}

}  // namespace bulwark
