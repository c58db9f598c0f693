// The noise kernel's definition in plain scalar code and float64.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>

#include "kernels/backend.h"

namespace bulwark::selftest {

/// Philox 4x32-10.
inline std::array<uint32_t, 4> philox(std::array<uint32_t, 4> c, uint64_t seed) {
  uint32_t key[2] = {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)};
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = 0xd2511f53ull * c[0], b = 0xcd9e8d57ull * c[2];
    c = {static_cast<uint32_t>(b >> 32) ^ c[1] ^ key[0], static_cast<uint32_t>(b),
         static_cast<uint32_t>(a >> 32) ^ c[3] ^ key[1], static_cast<uint32_t>(a)};
    key[0] += 0x9e3779b9u;
    key[1] += 0xbb67ae85u;
  }
  return c;
}

/// Backend::noise's number for one row and feature.
inline double normalAt(const NoiseStream& stream, uint32_t row, int feature) {
  const auto words = philox({static_cast<uint32_t>(feature / 4), row, stream.stream, 0}, stream.seed);
  const int pair = feature % 4 / 2;
  // log1p where the uniform number is near 1: the float64 nearest to it would lose digits.
  const double u = (words[2 * pair] + 0.5) * 0x1p-32, rest = (~words[2 * pair] + 0.5) * 0x1p-32;
  const double radius = std::sqrt(-2 * (u < 0.5 ? std::log(u) : std::log1p(-rest)));
  const double angle = 2 * std::numbers::pi * (words[2 * pair + 1] + 0.5) * 0x1p-32;
  return radius * (feature % 2 == 0 ? std::cos(angle) : std::sin(angle));
}

}  // namespace bulwark::selftest
