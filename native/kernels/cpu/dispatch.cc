#include "kernels/cpu/dispatch.h"

#include <stdexcept>
#include <string>
#include <vector>

namespace bulwark {
namespace {

/// The tables this machine runs, best first.
std::vector<const KernelTable*> runnable() {
  std::vector<const KernelTable*> tables;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    tables.push_back(&avx512::table);
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) tables.push_back(&avx2::table);
#endif
  tables.push_back(&portable::table);
  return tables;
}

}  // namespace

std::vector<const char*> cpuInstructionSets() {
  std::vector<const char*> names;
  for (const KernelTable* table : runnable()) names.push_back(table->name);
  return names;
}

const KernelTable& chooseKernels(const char* instructionSet) {
  const std::vector<const KernelTable*> tables = runnable();
  if (!instructionSet) return *tables.front();
  std::string names;
  for (const KernelTable* table : tables) {
    if (std::string(instructionSet) == table->name) return *table;
    names += std::string(names.empty() ? "" : ", ") + table->name;
  }
  throw std::invalid_argument(std::string("instruction set '") + instructionSet + "': this machine runs " +
                              names);
}

}  // namespace bulwark
