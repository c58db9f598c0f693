// Products of row-major matrices, and what may follow each sum while it is in a register: bias and ReLU, or a
// step of an attack along it, so that neither takes a pass over memory of its own.
#include "kernels/cuda/dense_kernels.h"
#include "kernels/cuda/dense_tile.h"

namespace bulwark::BULWARK_CUDA::dense {
namespace {

/// Entries of a matrix by (row or column, depth). `alongDepth`: those of one row or column lie side by side.
template <bool alongDepth>
struct Matrix {
  static constexpr bool kAlongDepth = alongDepth;
  const float* data;
  int step;  // between rows of the storage
  __device__ float operator()(int entry, int depth) const {
    return alongDepth ? data[static_cast<size_t>(entry) * step + depth]
                      : data[static_cast<size_t>(depth) * step + entry];
  }
};

struct ProductEnd {
  float* c;
  int n;
  bool accumulate, relu;
  const float* bias;
  __device__ void operator()(int row, int column, float sum) const {
    float& to = c[static_cast<size_t>(row) * n + column];
    float y = accumulate ? to + sum : sum;
    if (bias) y += bias[column];
    to = relu && y < 0 ? 0.0f : y;
  }
};

struct StepEnd {
  SignStep step;
  int n;
  const float* centre;
  float* x;
  __device__ void operator()(int row, int column, float sum) const {
    const size_t at = static_cast<size_t>(row) * n + column;
    x[at] = steppedAlong(step, sum, centre[at], x[at]);
  }
};

}  // namespace

void gemm(Stream& stream, const Gemm& problem) {
  const ProductShape shape{problem.m, problem.n, problem.k};
  const ProductEnd end{problem.c, problem.n, problem.accumulate, problem.relu, problem.bias};
  const Matrix<true> rowsOfA{problem.a, problem.k}, columnsOfB{problem.b, problem.k};
  const Matrix<false> turnedA{problem.a, problem.m}, plainB{problem.b, problem.n};
  if (problem.transposeA && problem.transposeB) return multiply(stream, shape, turnedA, columnsOfB, end);
  if (problem.transposeA) return multiply(stream, shape, turnedA, plainB, end);
  if (problem.transposeB) return multiply(stream, shape, rowsOfA, columnsOfB, end);
  multiply(stream, shape, rowsOfA, plainB, end);
}

void signStepAlong(Stream& stream, const SignStep& step, const Ascent& ascent) {
  multiply(stream, {ascent.m, ascent.n, ascent.k}, Matrix<true>{ascent.a, ascent.k},
           Matrix<false>{ascent.b, ascent.n}, StepEnd{step, ascent.n, ascent.centre, ascent.x});
}

}  // namespace bulwark::BULWARK_CUDA::dense
