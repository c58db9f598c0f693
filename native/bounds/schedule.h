// Rows onto threads: batch sizes, one climber per thread, progress.
#pragma once

#include "bounds/ascent.h"
#include "bounds/workers.h"

namespace bulwark {

/// Bounds every row of `source` on node `target`, on all threads. With `coefficients` the affine bounds come
/// back too.
RowResults boundRows(const RowSource& source, const Images& images, Workers& workers, int target,
                     const DualPreset& preset, const AscentOptions& options, const StopCheck& stop,
                     const Progress& progress, bool coefficients = false);

}  // namespace bulwark
