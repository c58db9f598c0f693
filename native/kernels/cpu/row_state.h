#pragma once

#include <cstdint>

#include "kernels/backend.h"

namespace bulwark {

// As in Backend.
void payBalls(const Balls& balls);
void startBall(const Balls& balls, int layer, BallStart stage, const uint8_t* fresh, Rows scale, Sums atZero);
void stepBalls(const Balls& balls, Rows correction);
void coupleInput(const CoupledInput& input);
void dualValue(const Balls& balls, Sums input, Sums value);
void judge(const AscentRows& rows);

}  // namespace bulwark
