// The kernels for x86 with AVX-512.
#if defined(__x86_64__)

#include <immintrin.h>

#include <cfloat>
#include <cstddef>
#include <cstdint>

#include "kernels/cpu/kernel_table.h"

#define BULWARK_NAME "avx512"
#define BULWARK_WIDTH 16

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))), \
                             apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")
#endif

namespace bulwark::avx512 {
#include "kernels/cpu/kernels.inl"
}  // namespace bulwark::avx512

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif
