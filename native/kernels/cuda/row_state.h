#pragma once

#include <cstdint>

#include "kernels/cuda/stream.h"

namespace bulwark::BULWARK_CUDA {

// As in Backend; none of them waits.
void payBalls(Stream& stream, const Balls& balls);
void startBall(Stream& stream, const Balls& balls, int layer, BallStart stage, const uint8_t* fresh,
               Rows scale, Sums atZero);
void stepBalls(Stream& stream, const Balls& balls, Rows correction);
void coupleInput(Stream& stream, const CoupledInput& input);
void dualValue(Stream& stream, const Balls& balls, Sums input, Sums value);
void judge(Stream& stream, const AscentRows& rows);

}  // namespace bulwark::BULWARK_CUDA
