// Normal random numbers: Philox against its published answers, the kernel against float64, moments.
#include <array>
#include <cmath>
#include <numbers>
#include <string>

#include "selftest/batch.h"
#include "selftest/harness.h"
#include "selftest/noise_reference.h"

namespace bulwark::selftest {
namespace {

using Words = std::array<uint32_t, 4>;

const Test philoxTest("noise: the reference is Philox 4x32-10", [](Context& context) {
  // The known answers that come with the authors' Random123 library.
  const auto check = [&](Words counter, uint64_t key, Words expected, const char* what) {
    context.check(philox(counter, key) == expected, what);
  };
  constexpr uint32_t ones = 0xffffffffu;
  check({0, 0, 0, 0}, 0, {0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u}, "zeros");
  check({ones, ones, ones, ones}, ~0ull, {0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu}, "ones");
  check({0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u}, 0x299f31d0a4093822ull,
        {0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u}, "digits of pi");
});

const Test kernelTest("noise: equals the float64 transform at its place", [](Context& context,
                                                                             Backend& backend) {
  for (const int features : {1, 2, 3, 4, 7, 784}) {
    const NoiseStream stream{context.random(), static_cast<uint32_t>(context.random()),
                             static_cast<uint32_t>(context.random())};
    const int blocks = choose(context.random, 1, 4), lanes = backend.lanes();
    Batch out(backend, features, blocks);
    RowValues center(backend, (features + lanes - 1) / lanes);
    center.set([&](int) { return uniform(context.random, -1, 1); });
    const float sigma = 0.5f;
    backend.noise(stream, center.device().data, sigma, out.view());
    out.get();
    for (int row = 0; row < out.rows(); ++row)
      for (int i = 0; i < features; ++i) {
        const double g = normalAt(stream, stream.first + static_cast<uint32_t>(row), i);
        // The logarithm's root and the circle are good to a few units in the last place of float32.
        const double tolerance = 0x1p-23 + sigma * (1 + std::abs(g)) * 6 * 0x1p-24;
        context.error("normal number", std::abs(out.at(row, i) - (center.host[i] + sigma * g)), tolerance);
      }
  }
});

const Test endsTest("noise: the ends and the middle of the logarithm", [](Context& context,
                                                                          Backend& backend) {
  // No counter leads to a chosen word, so look at many numbers for large and small ones.
  const NoiseStream stream{7, 0, 0};
  const int rows = 1 << 14, features = 32;
  Batch out(backend, features, rows / backend.lanes());
  RowValues center(backend, (features + backend.lanes() - 1) / backend.lanes());
  center.set([](int) { return 0; });
  backend.noise(stream, center.device().data, 1, out.view());
  out.get();
  double largest = 0, smallestRadius = 10;
  for (int row = 0; row < rows; ++row)
    for (int i = 0; i < features; i += 2) {
      const double radius = std::hypot(out.at(row, i), out.at(row, i + 1));
      largest = std::max(largest, radius);
      smallestRadius = std::min(smallestRadius, radius);
      const double exact = std::hypot(normalAt(stream, static_cast<uint32_t>(row), i),
                                      normalAt(stream, static_cast<uint32_t>(row), i + 1));
      context.error("relative error of the radius", std::abs(radius - exact) / exact, 8 * 0x1p-24);
    }
  context.check(largest > 4.8 && smallestRadius < 0.01, "both ends were seen");
});

const Test momentsTest("noise: moments, independence of rows, features and streams", [](Context& context,
                                                                                        Backend& backend) {
  const int rows = 1 << 13, features = 64;
  const size_t count = static_cast<size_t>(rows) * features;
  const uint64_t seed = context.random();
  RowValues center(backend, (features + backend.lanes() - 1) / backend.lanes());
  center.set([](int) { return 0; });
  Batch out(backend, features, rows / backend.lanes()),
      other = Batch(backend, features, rows / backend.lanes());
  backend.noise({seed, 3, 0}, center.device().data, 1, out.view());
  backend.noise({seed, 4, 0}, center.device().data, 1, other.view());
  out.get();
  other.get();
  double m1 = 0, m2 = 0, m3 = 0, m4 = 0, inside = 0, acrossStreams = 0, acrossRows = 0, inPair = 0;
  for (int row = 0; row < rows; ++row)
    for (int i = 0; i < features; ++i) {
      const double x = out.at(row, i);
      m1 += x;
      m2 += x * x;
      m3 += x * x * x;
      m4 += x * x * x * x;
      inside += std::abs(x) < 0.6744897501960817;  // the quartiles
      acrossStreams += x * other.at(row, i);
      acrossRows += x * out.at((row + 1) % rows, i);
      inPair += x * out.at(row, i ^ 1);
    }
  // Six standard deviations of each mean.
  const double unit = 6 / std::sqrt(static_cast<double>(count)), n = static_cast<double>(count);
  context.error("mean", std::abs(m1 / n), unit);
  context.error("variance", std::abs(m2 / n - 1), unit * std::numbers::sqrt2);
  context.error("skewness", std::abs(m3 / n), unit * std::sqrt(15.0));
  context.error("fourth moment", std::abs(m4 / n - 3), unit * std::sqrt(96.0));
  context.error("inside the quartiles", std::abs(inside / n - 0.5), unit / 2);
  context.error("streams", std::abs(acrossStreams / n), unit);
  context.error("rows", std::abs(acrossRows / n), unit);
  context.error("pairs", std::abs(inPair / n), unit * std::numbers::sqrt2);
});

const Test placeTest("noise: a number depends on its place, not on its batch", [](Context& context,
                                                                                  Backend& backend) {
  const int lanes = backend.lanes(), features = 13;
  RowValues center(backend, 1);
  center.set([](int) { return 0.25; });
  Batch whole(backend, features, 4), part(backend, features, 1);
  backend.noise({1, 2, 100}, center.device().data, 0.5f, whole.view());
  backend.noise({1, 2, static_cast<uint32_t>(100 + 2 * lanes)}, center.device().data, 0.5f, part.view());
  whole.get();
  part.get();
  for (int row = 0; row < lanes; ++row)
    for (int i = 0; i < features; ++i)
      context.check(part.at(row, i) == whole.at(row + 2 * lanes, i), "same number");
});

}  // namespace
}  // namespace bulwark::selftest
