// How numbers of a batch lie in device memory (see backend.h).
#pragma once

namespace bulwark {

/// [blocks][features][lanes] float32 in device memory. Not owning.
struct View {
  float* data = nullptr;
  int features = 0;
  int blocks = 0;
};

/// [blocks][lanes]: one float32 per row, in device memory. Not owning.
struct Rows {
  float* data = nullptr;
  int blocks = 0;
};

/// [blocks][lanes]: one float64 per row, in device memory. Not owning.
struct Sums {
  double* data = nullptr;
  int blocks = 0;
};

}  // namespace bulwark
