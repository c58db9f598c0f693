// A-priori rounding bounds. All that is assumed of the machine: float64 sums, products, quotients and roots
// are rounded to nearest, with gradual underflow, in whatever order a sum is taken and whether or not a
// product is fused into it. Round-off u = 2^-53; a product that underflows is off by 2^-1075 at most, far
// less than `kTiny`, which is a normal number because arithmetic on subnormal ones is slow.
#pragma once

#include <cmath>
#include <limits>
#include <vector>

namespace bulwark::proof {

constexpr double kUnit = 0x1p-53;
constexpr double kTiny = 0x1p-1000;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// More than what a few dozen operations on numbers >= 0 can lose.
constexpr double kUp = 1 + 0x1p-46;
/// More than what a sum of 2^21 numbers >= 0 can lose, whatever its order.
constexpr double kUpSum = 1 + 0x1p-31;

/// At least gamma_n = n u / (1 - n u), of which (1 + d_1) ... (1 + d_n) - 1 stays below in magnitude;
/// infinity where it means nothing.
inline double gamma(double n, double unit = kUnit) {
  return n * unit < 0.25 ? n * unit / (1 - n * unit) * kUp : kInfinity;
}

/// A number above x >= 0, by more than a few dozen roundings and underflows.
inline double up(double x) { return x * kUp + 64 * kTiny; }
/// The same for a sum of up to 2^21 numbers.
inline double upSum(double x) { return x * kUpSum + 0x1p21 * kTiny; }

/// Numbers above and below x, by a unit or two of its last place: |x| 2^-52 is at least one unit.
inline double above(double x) { return x + (std::fabs(x) * 0x1p-52 + kTiny); }
inline double below(double x) { return x - (std::fabs(x) * 0x1p-52 + kTiny); }

/// At least the l2 norm of `count` numbers whose squares, summed in any order, came to `squares`: these lose
/// at most `tiny` each to underflow.
inline double normUp(double squares, double count) {
  return up(std::sqrt(squares * (1 + gamma(count + 2)) * kUp + count * kTiny));
}

/// At least the l2 norm of (x_i).
template <class Values>
double normUp(const Values& values) {
  double sum = 0;
  for (const double value : values) sum += value * value;
  return normUp(sum, static_cast<double>(values.size()));
}

}  // namespace bulwark::proof
