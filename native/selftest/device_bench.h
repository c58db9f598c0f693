// The same measurements on any device: kernels beside the device's ceilings, and whole bounds.
#pragma once

#include <cstdio>
#include <functional>

#include "kernels/cuda.h"

namespace bulwark::selftest {

/// How much is measured: on the emulation, which is thousands of times slower, only that everything runs.
struct BenchScale {
  int images;           // per network
  int imagesOfLarge;    // of the size of ConvLarge
  int iterations;       // of the ascent, none cut short
  size_t copyBytes;     // of the large copy
  int productSize;      // of the large product: so many rows, inputs and outputs
  double budget;        // seconds a kernel
  bool kernels = true;  // also one by one
};

/// For a GPU: 200 images as in the published tables.
BenchScale deviceScale();
/// For a CPU: as many images as take some seconds.
BenchScale cpuScale();

/// The vendor's library, as cuda::cublasProduct.
using LibraryProduct = std::function<cuda::ProductTime(int in, int out, int rows, bool inBlocks)>;

/// Prints the table to `out`. `peak`: float32 multiply-adds of these threads, in operations per second.
void benchDevice(Device& device, int threads, const BenchScale& scale, double peak, std::FILE* out,
                 const LibraryProduct& library = {});

}  // namespace bulwark::selftest
