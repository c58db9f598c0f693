#include "proof/kernels.h"

namespace bulwark::proof {

const KernelTable& kernels() {
  static const KernelTable& best = []() -> const KernelTable& {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
      return avx512::table;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return avx2::table;
#endif
    return portable::table;
  }();
  return best;
}

}  // namespace bulwark::proof
