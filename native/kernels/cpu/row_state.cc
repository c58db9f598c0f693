// Numbers per row, on the CPU. Few of them, so the compiler's own vectors do.
#include "kernels/cpu/row_state.h"

#include "kernels/ascent_rows.h"
#include "kernels/coupling.h"
#include "kernels/cpu/kernel_table.h"

namespace bulwark {
namespace {

template <typename Operation>
void forEachRow(int blocks, Operation operation) {
  const size_t rows = static_cast<size_t>(blocks) * kLanes;
  for (size_t row = 0; row < rows; ++row) operation(row);
}

}  // namespace

void payBalls(const Balls& balls) {
  forEachRow(balls.lambda.blocks, [&](size_t row) { payRow(balls, row); });
}

void startBall(const Balls& balls, int layer, BallStart stage, const uint8_t* fresh, Rows scale,
               Sums atZero) {
  forEachRow(balls.lambda.blocks, [&](size_t row) {
    if (fresh[row]) startRow(balls, layer, stage, row, scale.data[row], atZero.data[row]);
  });
}

void stepBalls(const Balls& balls, Rows correction) {
  forEachRow(balls.lambda.blocks, [&](size_t row) {
    if (correction.data[row] != 0) stepRow(balls, row);
  });
}

void coupleInput(const CoupledInput& input) {
  forEachRow(input.value.blocks, [&](size_t row) { coupleRow(input, row); });
}

void dualValue(const Balls& balls, Sums input, Sums value) {
  forEachRow(value.blocks, [&](size_t row) { value.data[row] = valueOfRow(balls, row, input.data[row]); });
}

void judge(const AscentRows& rows) {
  forEachRow(rows.value.blocks, [&](size_t row) { judgeRow(rows, row); });
}

}  // namespace bulwark
