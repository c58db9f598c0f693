// The proof's loops for x86 with AVX-512.
#if defined(__x86_64__)

#include <cstdint>

#include "proof/kernels.h"
#include "proof/rounding.h"

#define PROOF_WIDTH 8

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))), \
                             apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")
#endif

namespace bulwark::proof::avx512 {
#include "proof/kernels.inl"
}  // namespace bulwark::proof::avx512

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif
