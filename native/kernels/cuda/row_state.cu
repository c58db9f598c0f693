// Numbers per row: a thread is a row and goes through its layers. There is little to compute; what counts is
// that the host need not see the numbers, so that it can queue the next steps of an ascent while the device
// is at work on this one.
#include "kernels/ascent_rows.h"
#include "kernels/coupling.h"
#include "kernels/cuda/row_state.h"

namespace bulwark::BULWARK_CUDA {
namespace {

/// Few, so that the rows of one batch reach many multiprocessors.
constexpr int kThreads = 64;

template <typename Operation>
__global__ void eachRow(Operation operation, int rows) {
  const int row = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (row < rows) operation(static_cast<size_t>(row));
}

template <typename Operation>
void forEachRow(Stream& stream, int blocks, Operation operation) {
  const int rows = blocks * kLanes;
  launch(stream.get(), eachRow<Operation>, divideUp(static_cast<size_t>(rows), kThreads), kThreads, operation,
         rows);
}

struct Pay {
  Balls balls;
  __device__ void operator()(size_t row) const { payRow(balls, row); }
};

struct Start {
  Balls balls;
  int layer;
  BallStart stage;
  const uint8_t* fresh;
  const float* scale;
  double* atZero;
  __device__ void operator()(size_t row) const {
    if (fresh[row]) startRow(balls, layer, stage, row, scale[row], atZero[row]);
  }
};

struct Step {
  Balls balls;
  const float* correction;
  __device__ void operator()(size_t row) const {
    if (correction[row] != 0.0f) stepRow(balls, row);
  }
};

struct Couple {
  CoupledInput input;
  __device__ void operator()(size_t row) const { coupleRow(input, row); }
};

struct Value {
  Balls balls;
  const double* input;
  double* value;
  __device__ void operator()(size_t row) const { value[row] = valueOfRow(balls, row, input[row]); }
};

struct Judge {
  AscentRows rows;
  __device__ void operator()(size_t row) const { judgeRow(rows, row); }
};

}  // namespace

void payBalls(Stream& stream, const Balls& balls) { forEachRow(stream, balls.lambda.blocks, Pay{balls}); }

void startBall(Stream& stream, const Balls& balls, int layer, BallStart stage, const uint8_t* fresh,
               Rows scale, Sums atZero) {
  const uint8_t* passed = stream.pass(fresh, static_cast<size_t>(rowCount(balls.lambda)));
  forEachRow(stream, balls.lambda.blocks, Start{balls, layer, stage, passed, scale.data, atZero.data});
}

void stepBalls(Stream& stream, const Balls& balls, Rows correction) {
  forEachRow(stream, balls.lambda.blocks, Step{balls, correction.data});
}

void coupleInput(Stream& stream, const CoupledInput& input) {
  forEachRow(stream, input.value.blocks, Couple{input});
}

void dualValue(Stream& stream, const Balls& balls, Sums input, Sums value) {
  forEachRow(stream, value.blocks, Value{balls, input.data, value.data});
}

void judge(Stream& stream, const AscentRows& rows) { forEachRow(stream, rows.value.blocks, Judge{rows}); }

}  // namespace bulwark::BULWARK_CUDA
