// How long work on a stream takes.
#pragma once

#include <algorithm>
#include <chrono>

#include "kernels/cuda/stream.h"

namespace bulwark::BULWARK_CUDA {

/// Seconds of one call, the device's work included: the fastest of five times ten.
template <typename Call>
double fastest(Stream& stream, Call call) {
  constexpr int kTimes = 10;
  const auto seconds = [&] {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < kTimes; ++i) call();
    stream.finish();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  seconds();  // the clock rises, the code is loaded
  double best = seconds();
  for (int i = 0; i < 4; ++i) best = std::min(best, seconds());
  return best / kTimes;
}

}  // namespace bulwark::BULWARK_CUDA
