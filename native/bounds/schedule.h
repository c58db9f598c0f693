// Rows onto threads: batch sizes, one climber per thread, progress.
#pragma once

#include "bounds/ascent.h"
#include "bounds/workers.h"

namespace bulwark {

/// What to return beside the bounds.
struct Evidence {
  bool coefficients = false;
  bool multipliers = false;
};

/// Bounds every row of `source` on node `target`, on all threads.
RowResults boundRows(const RowSource& source, const Images& images, Workers& workers, int target,
                     const DualPreset& preset, const AscentOptions& options, const StopCheck& stop,
                     const Progress& progress, const Evidence& evidence = {}, RowVisitor* visitor = nullptr);

}  // namespace bulwark
