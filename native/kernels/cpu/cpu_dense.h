// Training's arithmetic on the CPU: loops of the chosen instruction set, products on a pool of threads.
#pragma once

#include "kernels/cpu/dense_scratch.h"
#include "kernels/dense.h"
#include "kernels/thread_pool.h"

namespace bulwark {

struct KernelTable;

class CpuDense final : public Dense {
 public:
  CpuDense(int threads, const char* instructionSet);

  int threads() const override { return pool_.size(); }
  int stepsAhead() const override { return 1; }

  std::unique_ptr<Buffer> allocate(size_t count) override;
  void upload(const float* host, float* to, size_t count) override { copy(host, to, count); }
  void download(const float* from, float* host, size_t count) override { copy(from, host, count); }
  void fill(float* y, size_t count, float value) override;
  void copy(const float* x, float* y, size_t count) override;

  void gemm(const Gemm& problem) override;
  void unary(Unary kind, const float* x, float* y, size_t count) override;
  void binary(Binary kind, const StridedLoop& loop, const float* a, const float* b, float* y) override;
  void addReduced(const StridedLoop& loop, const float* x, float* y) override;
  void scale(const float* x, float* y, size_t count, float factor, float shift) override;
  void combine(const float* x, float* y, size_t count, float factor, float keep) override;
  void normalise(float* x, size_t count, float* length) override;
  void clipFactor(const float* squares, size_t count, float most, float* factor) override;
  void gather(const float* x, const int32_t* indices, float* y, size_t count) override;
  void scatterAdd(const float* x, const int32_t* indices, float* y, size_t count) override;
  void largestOfRows(const float* x, int rows, int columns, float* y) override;
  void largestGradient(const float* x, const float* y, const float* weights, int rows, int columns,
                       float* gradient) override;
  void logSumExpOfRows(const float* x, int rows, int columns, float* y) override;
  void gateRows(const float* x, const float* y, int rows, int columns, float* gated, float* sums) override;
  void crossEntropies(const CrossEntropy& problem, float* normalisers, float* losses) override;
  void crossEntropyGradient(const CrossEntropy& problem, const float* normalisers, const float* weights,
                            float* gradient) override;
  void countCorrect(const CrossEntropy& problem, float* count) override;
  void keepLarger(const float* scores, const float* x, int rows, int columns, float* best,
                  float* kept) override;
  void convolve(const DenseConv& conv, const float* x, const float* weight, float* y) override;
  void convolveInput(const DenseConv& conv, const float* y, const float* weight, float* x) override;
  void convolveWeight(const DenseConv& conv, const float* x, const float* y, float* weight) override;
  void adam(const AdamStep& step, const float* gradient, float* weight, float* first, float* second,
            size_t count, const MovingAverage& average) override;
  void signStep(const SignStep& step, const float* gradient, const float* centre, float* x,
                size_t count) override;
  /// In pieces that stay in the caches.
  void signStepAlong(const SignStep& step, const Ascent& ascent) override;
  void uniform(uint64_t seed, float low, float high, float* y, size_t count) override;
  void gaussian(uint64_t seed, float deviation, float* y, size_t count) override;

 private:
  void unfold(const DenseConv& conv, const float* image, float* columns) const;
  void foldAdd(const DenseConv& conv, const float* columns, float* image) const;

  const KernelTable& kernels_;
  ThreadPool pool_;
  DenseScratch packed_, columns_, piece_;
};

}  // namespace bulwark
