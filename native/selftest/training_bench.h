// What a training step costs on any device.
#pragma once

#include <cstdio>

#include "kernels/device.h"

namespace bulwark::selftest {

/// Prints steps of a 784-128-128-10 network at batch 256, with and without ten steps of an attack, and the
/// products and convolutions that training is made of. `budget`: seconds a figure.
void benchTraining(Device& device, int threads, double budget, std::FILE* out);

}  // namespace bulwark::selftest
