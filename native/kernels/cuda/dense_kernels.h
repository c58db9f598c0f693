// Training's operations on a stream, one family a source; `CudaDense` in dense.cu gives them the face of
// `Dense`. Labels, indices and loops come from the host, all else lies on the device.
#pragma once

#include "kernels/cuda/stream.h"
#include "kernels/dense.h"

namespace bulwark::BULWARK_CUDA::dense {

// dense_each.cu
void fill(Stream& stream, float* y, size_t count, float value);
void unary(Stream& stream, Unary kind, const float* x, float* y, size_t count);
void binary(Stream& stream, Binary kind, const StridedLoop& loop, const float* a, const float* b, float* y);
void scale(Stream& stream, const float* x, float* y, size_t count, float factor, float shift);
void combine(Stream& stream, const float* x, float* y, size_t count, float factor, float keep);
void gate(Stream& stream, const float* x, const float* y, float* gated, size_t count);
void adam(Stream& stream, const AdamStep& step, const float* gradient, float* weight, float* first,
          float* second, size_t count, const MovingAverage& average);
void signStep(Stream& stream, const SignStep& step, const float* gradient, const float* centre, float* x,
              size_t count);

// dense_sums.cu
/// Throws std::invalid_argument where two places of the axes that are not repeated are one place of y.
void addReduced(Stream& stream, const StridedLoop& loop, const float* x, float* y);
void normalise(Stream& stream, float* x, size_t count, float* length);
void clipFactor(Stream& stream, const float* squares, size_t count, float most, float* factor);

// dense_rows.cu
void largestOfRows(Stream& stream, const float* x, int rows, int columns, float* y);
void largestGradient(Stream& stream, const float* x, const float* y, const float* weights, int rows,
                     int columns, float* gradient);
void logSumExpOfRows(Stream& stream, const float* x, int rows, int columns, float* y);
void crossEntropies(Stream& stream, const CrossEntropy& problem, float* normalisers, float* losses);
void crossEntropyGradient(Stream& stream, const CrossEntropy& problem, const float* normalisers,
                          const float* weights, float* gradient);
void countCorrect(Stream& stream, const CrossEntropy& problem, float* count);
void keepLarger(Stream& stream, const float* scores, const float* x, int rows, int columns, float* best,
                float* kept);

// dense_gather.cu
void gather(Stream& stream, const float* x, const int32_t* indices, float* y, size_t count);
void scatterAdd(Stream& stream, const float* x, const int32_t* indices, float* y, size_t count);

// dense_gemm.cu
void gemm(Stream& stream, const Gemm& problem);
void signStepAlong(Stream& stream, const SignStep& step, const Ascent& ascent);

// dense_conv.cu
void convolve(Stream& stream, const DenseConv& conv, const float* x, const float* weight, float* y);
void convolveInput(Stream& stream, const DenseConv& conv, const float* y, const float* weight, float* x);
void convolveWeight(Stream& stream, const DenseConv& conv, const float* x, const float* y, float* weight);

// dense_random.cu
void uniform(Stream& stream, uint64_t seed, float low, float high, float* y, size_t count);
void gaussian(Stream& stream, uint64_t seed, float deviation, float* y, size_t count);

}  // namespace bulwark::BULWARK_CUDA::dense
