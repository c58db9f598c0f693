// Operations on rows of logits: few columns, many rows. A warp takes a row; its lanes meet in shuffles,
// always in the same order.
#include "kernels/cuda/dense_each.h"
#include "kernels/cuda/dense_kernels.h"

namespace bulwark::BULWARK_CUDA::dense {
namespace {

constexpr int kWarp = 32;
constexpr int kRowsOfBlock = kThreads / kWarp;

template <typename T>
__device__ inline T sumOfWarp(T mine) {
  for (int bits = kWarp / 2; bits > 0; bits /= 2) mine += __shfl_xor_sync(0xffffffffu, mine, bits);
  return mine;
}

__device__ inline float largestOfWarp(float mine) {
  for (int bits = kWarp / 2; bits > 0; bits /= 2) {
    const float other = __shfl_xor_sync(0xffffffffu, mine, bits);
    mine = mine < other ? other : mine;
  }
  return mine;
}

/// operation(row, lane) in every lane of the row's warp.
template <typename Operation>
__global__ void eachRow(Operation operation, int rows) {
  const int row = static_cast<int>(blockIdx.x * kRowsOfBlock + threadIdx.y);
  if (row < rows) operation(row, static_cast<int>(threadIdx.x));
}

template <typename Operation>
void forEachRow(Stream& stream, int rows, Operation operation) {
  launch(stream.get(), eachRow<Operation>, divideUp(static_cast<size_t>(rows), kRowsOfBlock),
         dim3(kWarp, kRowsOfBlock), operation, rows);
}

__device__ inline float largestOfRow(const float* x, int columns, int lane) {
  float largest = x[lane < columns ? lane : 0];
  for (int i = lane + kWarp; i < columns; i += kWarp) largest = largest < x[i] ? x[i] : largest;
  return largestOfWarp(largest);
}

__device__ inline float logSumExpOfRow(const float* x, int columns, int lane) {
  const float largest = largestOfRow(x, columns, lane);
  double sum = 0;
  for (int i = lane; i < columns; i += kWarp) sum += static_cast<double>(expf(x[i] - largest));
  sum = sumOfWarp(sum);
  return largest - largest == 0.0f ? largest + static_cast<float>(log(sum)) : largest;
}

struct Largest {
  const float* x;
  int columns;
  float* y;
  __device__ void operator()(int row, int lane) const {
    const float largest = largestOfRow(x + static_cast<size_t>(row) * columns, columns, lane);
    if (lane == 0) y[row] = largest;
  }
};

struct LogSumExp {
  const float* x;
  int columns;
  float* y;
  __device__ void operator()(int row, int lane) const {
    const float value = logSumExpOfRow(x + static_cast<size_t>(row) * columns, columns, lane);
    if (lane == 0) y[row] = value;
  }
};

struct LargestGradient {
  const float *x, *y, *weights;
  int columns;
  float* gradient;
  __device__ void operator()(size_t row) const {
    const float* of = x + row * columns;
    float* to = gradient + row * columns;
    bool found = false;
    for (int i = 0; i < columns; ++i) {
      const bool here = !found && of[i] == y[row];
      to[i] = here ? weights[row] : 0.0f;
      found = found || here;
    }
  }
};

struct Loss {
  const float* logits;
  const int32_t* labels;
  int columns;
  bool smooth;
  float own, share;
  float *normalisers, *losses;
  __device__ void operator()(int row, int lane) const {
    const float* x = logits + static_cast<size_t>(row) * columns;
    const float normaliser = logSumExpOfRow(x, columns, lane);
    float target = x[labels[row]];
    if (smooth) {
      double sum = 0;
      for (int i = lane; i < columns; i += kWarp) sum += static_cast<double>(x[i]);
      target = own * target + share * static_cast<float>(sumOfWarp(sum));
    }
    if (lane > 0) return;
    normalisers[row] = normaliser;
    losses[row] = normaliser - target;
  }
};

struct LossGradient {
  const float* logits;
  const int32_t* labels;
  int columns;
  float own, share;
  const float *normalisers, *weights;
  float* gradient;
  __device__ void operator()(size_t at) const {
    const size_t row = at / static_cast<size_t>(columns);
    const int column = static_cast<int>(at - row * static_cast<size_t>(columns));
    const float weight = weights[row], spread = -weight * share;
    gradient[at] = expf(logits[at] - normalisers[row]) * weight +
                   (column == labels[row] ? spread - weight * own : spread);
  }
};

__global__ void countCorrectRows(const float* logits, const int32_t* labels, int rows, int columns,
                                 float* count) {
  __shared__ int shared[kThreads];
  int correct = 0;
  for (int row = static_cast<int>(threadIdx.x); row < rows; row += kThreads) {
    const float* x = logits + static_cast<size_t>(row) * columns;
    int best = 0;
    for (int i = 1; i < columns; ++i)
      if (x[i] > x[best]) best = i;
    correct += best == labels[row] ? 1 : 0;
  }
  shared[threadIdx.x] = correct;
  __syncthreads();
  if (threadIdx.x > 0) return;
  for (int i = 1; i < kThreads; ++i) correct += shared[i];
  *count = static_cast<float>(correct);
}

struct Keep {
  const float *scores, *best, *x;
  int columns;
  float* kept;
  __device__ void operator()(size_t at) const {
    const size_t row = at / static_cast<size_t>(columns);
    if (!(scores[row] <= best[row])) kept[at] = x[at];
  }
};

struct Raise {
  const float* scores;
  float* best;
  __device__ void operator()(size_t row) const {
    if (!(scores[row] <= best[row])) best[row] = scores[row];
  }
};

size_t entries(int rows, int columns) { return static_cast<size_t>(rows) * static_cast<size_t>(columns); }

}  // namespace

void largestOfRows(Stream& stream, const float* x, int rows, int columns, float* y) {
  forEachRow(stream, rows, Largest{x, columns, y});
}

void largestGradient(Stream& stream, const float* x, const float* y, const float* weights, int rows,
                     int columns, float* gradient) {
  forEach(stream.get(), static_cast<size_t>(rows), LargestGradient{x, y, weights, columns, gradient});
}

void logSumExpOfRows(Stream& stream, const float* x, int rows, int columns, float* y) {
  forEachRow(stream, rows, LogSumExp{x, columns, y});
}

void crossEntropies(Stream& stream, const CrossEntropy& problem, float* normalisers, float* losses) {
  if (problem.rows == 0) return;
  const int32_t* labels = stream.pass(problem.labels, static_cast<size_t>(problem.rows));
  forEachRow(stream, problem.rows,
             Loss{problem.logits, labels, problem.columns, problem.smoothing > 0, problem.own(),
                  problem.share(), normalisers, losses});
}

void crossEntropyGradient(Stream& stream, const CrossEntropy& problem, const float* normalisers,
                          const float* weights, float* gradient) {
  if (problem.rows == 0) return;
  const int32_t* labels = stream.pass(problem.labels, static_cast<size_t>(problem.rows));
  forEach(stream.get(), entries(problem.rows, problem.columns),
          LossGradient{problem.logits, labels, problem.columns, problem.own(), problem.share(), normalisers,
                       weights, gradient});
}

void countCorrect(Stream& stream, const CrossEntropy& problem, float* count) {
  if (problem.rows == 0) return fill(stream, count, 1, 0.0f);
  const int32_t* labels = stream.pass(problem.labels, static_cast<size_t>(problem.rows));
  launch(stream.get(), countCorrectRows, dim3(1), dim3(kThreads), problem.logits, labels, problem.rows,
         problem.columns, count);
}

void keepLarger(Stream& stream, const float* scores, const float* x, int rows, int columns, float* best,
                float* kept) {
  forEach(stream.get(), entries(rows, columns), Keep{scores, best, x, columns, kept});
  forEach(stream.get(), static_cast<size_t>(rows), Raise{scores, best});
}

}  // namespace bulwark::BULWARK_CUDA::dense
