// The proof's loops for x86 with AVX2 and FMA.
#if defined(__x86_64__)

#include <cstdint>

#include "proof/kernels.h"
#include "proof/rounding.h"

#define PROOF_WIDTH 4

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif

namespace bulwark::proof::avx2 {
#include "proof/kernels.inl"
}  // namespace bulwark::proof::avx2

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif
