// The kernels for any CPU the compiler targets by default.
#include <cfloat>
#include <cstddef>
#include <cstdint>

#include "kernels/cpu/kernel_table.h"

#define BULWARK_NAME "portable"
#define BULWARK_WIDTH 4

namespace bulwark::portable {
#include "kernels/cpu/attack.inl"
#include "kernels/cpu/elementwise.inl"
#include "kernels/cpu/input.inl"
#include "kernels/cpu/lanes.inl"
#include "kernels/cpu/relu.inl"
#include "kernels/cpu/table.inl"
#include "kernels/cpu/taps.inl"
}  // namespace bulwark::portable
