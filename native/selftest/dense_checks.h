// How operations of training's arithmetic are compared with float64, wherever it computes: on each
// instruction set, on the emulation (whose threads run in another order each time), and on a GPU.
#pragma once

#include <array>
#include <functional>
#include <string>
#include <vector>

#include "selftest/device_floats.h"
#include "selftest/harness.h"

namespace bulwark::selftest {

constexpr std::array<int, 4> kSizes{1, 7, 33, 1000};

std::vector<float> randomFloats(Context& context, size_t count, double low = -1, double high = 1);

inline double wide(float x) { return static_cast<double>(x); }

/// Compares `out` with want(i), relative to 1 + |want|, and checks that nothing was written beside it.
void check(Context& context, const std::string& what, const DeviceFloats& out,
           const std::function<double(size_t)>& want, double tolerance, const std::function<void()>& run);

/// The same where what is written does not depend on what was there: run twice, into NaN both times, to the
/// same bits.
void checkFresh(Context& context, Dense& dense, const std::string& what, const DeviceFloats& out,
                const std::function<double(size_t)>& want, double tolerance,
                const std::function<void()>& run);

}  // namespace bulwark::selftest
