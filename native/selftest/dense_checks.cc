#include "selftest/dense_checks.h"

#include <cmath>
#include <limits>

#include "selftest/batch.h"
#include "selftest/emulation/emulation.h"

namespace bulwark::selftest {

std::vector<float> randomFloats(Context& context, size_t count, double low, double high) {
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(uniform(context.random, low, high));
  return values;
}

void check(Context& context, const std::string& what, const DeviceFloats& out,
           const std::function<double(size_t)>& want, double tolerance, const std::function<void()>& run) {
  const std::vector<float> before = out.read();
  run();
  const std::vector<float> got = out.read();
  double worst = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    const double expected = want(i), error = std::fabs(wide(got[i]) - expected) / (1 + std::fabs(expected));
    worst = error <= worst ? worst : error;
  }
  context.error(what, worst, tolerance);
  context.check(emulation::guardsIntact(), what + ": nothing is written beside an allocation");
}

void checkFresh(Context& context, Dense& dense, const std::string& what, const DeviceFloats& out,
                const std::function<double(size_t)>& want, double tolerance,
                const std::function<void()>& run) {
  check(context, what, out, want, tolerance, run);
  const std::vector<float> first = out.read();
  dense.fill(out.data(), out.size(), std::numeric_limits<float>::quiet_NaN());
  run();
  context.check(first == out.read(), what + ": the same bits again");
}

}  // namespace bulwark::selftest
