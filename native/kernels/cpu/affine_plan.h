// An affine operator packed for one instruction set.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "kernels/backend.h"
#include "kernels/cpu/tap_plan.h"

namespace bulwark {

class CpuAffinePlan : public AffinePlan {
 public:
  CpuAffinePlan(const Affine& affine, const KernelTable& kernels);

  void apply(const KernelTable& kernels, Pass pass, View in, View out, Write write) const;
  void addBias(const KernelTable& kernels, View y) const;

 private:
  struct Taps {
    TapPlan forward, magnitude;
    std::vector<TapPlan> adjoint;
    bool scatters;  // the adjoint's plans add to a cleared output
  };
  struct Diagonal {
    std::vector<float> factors, magnitudes;
  };
  struct Selection {
    std::vector<int32_t> source;
  };

  int in_ = 0, out_ = 0;
  const char* instructionSet_;
  std::variant<Taps, Diagonal, Selection> operator_;
  std::vector<float> bias_;  // empty: none
};

}  // namespace bulwark
