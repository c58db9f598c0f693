#pragma once

namespace bulwark::selftest {

/// Prints GFLOP/s and GB/s of the kernels beside this core's measured ceilings; the process's exit code.
int runBench();

}  // namespace bulwark::selftest
