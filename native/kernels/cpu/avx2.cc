// The kernels for x86 with AVX2 and FMA.
#if defined(__x86_64__)

#include <immintrin.h>

#include <cfloat>
#include <cstddef>
#include <cstdint>

#include "kernels/cpu/kernel_table.h"

#define BULWARK_NAME "avx2"
#define BULWARK_WIDTH 8

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif

namespace bulwark::avx2 {
#include "kernels/cpu/kernels.inl"
}  // namespace bulwark::avx2

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif
