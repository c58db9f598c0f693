// The proof's loops for any CPU the compiler targets by default.

#include <cstdint>

#include "proof/kernels.h"
#include "proof/rounding.h"

#define PROOF_WIDTH 2

namespace bulwark::proof::portable {
#include "proof/kernels.inl"
}  // namespace bulwark::proof::portable
