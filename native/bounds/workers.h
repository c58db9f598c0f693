// The threads of one call and the backend each of them computes with.
#pragma once

#include <memory>
#include <vector>

#include "kernels/backend.h"
#include "kernels/thread_pool.h"
#include "network/spectral.h"

namespace bulwark {

/// Loops of the network's mathematics on a pool's threads.
inline ParallelFor onPool(ThreadPool& pool) {
  return [&pool](int count, const std::function<void(int)>& body) {
    pool.parallelFor(count, [&](long index, int) { body(static_cast<int>(index)); });
  };
}

class Workers {
 public:
  explicit Workers(ThreadPool& pool) : pool_(pool) {
    for (int i = 0; i < pool.size(); ++i) backends_.push_back(makeCpuBackend());
  }

  int size() const { return static_cast<int>(backends_.size()); }
  Backend& main() { return *backends_[0]; }
  ParallelFor parallel() { return onPool(pool_); }

  /// work(index, backend) for every index below `count`, on all threads; rethrows the first exception.
  template <class Work>
  void each(int count, Work work) {
    pool_.parallelFor(count,
                      [&](long index, int worker) { work(static_cast<int>(index), *backends_[worker]); });
  }

 private:
  ThreadPool& pool_;
  std::vector<std::unique_ptr<Backend>> backends_;
};

}  // namespace bulwark
