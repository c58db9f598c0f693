// Formulas of one row that every device computes with the same source.
#pragma once

#ifdef __CUDACC__
#define BULWARK_ANYWHERE __host__ __device__
#else
#define BULWARK_ANYWHERE
#endif

namespace bulwark {

// As in <algorithm>, which kernels may not call; a NaN in x stays.
template <typename Number>
BULWARK_ANYWHERE inline Number atLeastOf(Number x, Number floor) {
  return x < floor ? floor : x;
}
template <typename Number>
BULWARK_ANYWHERE inline Number atMostOf(Number x, Number cap) {
  return cap < x ? cap : x;
}
BULWARK_ANYWHERE inline bool isFinite(float x) { return x - x == 0.0f; }

}  // namespace bulwark
