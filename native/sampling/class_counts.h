// Randomized smoothing's one question to a network: which class wins under Gaussian noise, how often?
#pragma once

#include <cstdint>
#include <vector>

#include "bounds/options.h"
#include "bounds/workers.h"
#include "kernels/planned.h"

namespace bulwark {

struct NoisyImages {
  std::vector<float> centers;     // [count][inputSize], features in stored order
  std::vector<uint32_t> streams;  // [count]: images of different streams see independent noise
  float sigma = 0;
  uint64_t seed = 0;
  uint32_t first = 0;  // samples [first, first + samples) of every stream
  uint32_t samples = 0;
};

/// [count][outputSize + 1]: for how many samples each output is the greatest (the first of equal ones),
/// features in stored order; the last entry counts the samples with a NaN among the outputs. The counts are
/// sums of integers over samples that depend on seed, stream and their number alone: threads do not change
/// them. Returns early on `stop`. `done(samples)` is called from any thread as samples are counted.
std::vector<int64_t> countClasses(const Network& network, const Plans& plans, Workers& workers,
                                  const NoisyImages& images, const StopCheck& stop,
                                  const std::function<void(uint32_t)>& done);

}  // namespace bulwark
