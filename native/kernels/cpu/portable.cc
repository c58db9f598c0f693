// The kernels for any CPU the compiler targets by default.
#include <cfloat>
#include <cstddef>
#include <cstdint>

#include "kernels/cpu/kernel_table.h"

#define BULWARK_NAME "portable"
#define BULWARK_WIDTH 4

namespace bulwark::portable {
#include "kernels/cpu/kernels.inl"
}  // namespace bulwark::portable
