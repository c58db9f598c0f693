// The threads of one call and the backend each of them computes with.
#pragma once

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "kernels/device.h"
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
  explicit Workers(ThreadPool& pool, Device& device = *cpuDevice()) : pool_(pool) {
    const int count = device.batchesAtOnce(pool.size());
    for (int i = 0; i < count; ++i) backends_.push_back(device.makeBackend());
  }

  int size() const { return static_cast<int>(backends_.size()); }
  Backend& main() { return *backends_[0]; }
  ParallelFor parallel() { return onPool(pool_); }

  /// work(index, backend) for every index below `count`, on all threads; rethrows the first exception. What
  /// backends wrote before is there for all of them, and what they write for all afterwards.
  template <class Work>
  void each(int count, Work work) {
    main().finish();
    std::atomic<int> next{0};
    pool_.parallelFor(std::min(count, size()), [&](long worker, int) {
      Backend& backend = *backends_[worker];
      try {
        for (int index = next++; index < count; index = next++) work(index, backend);
      } catch (...) {
        next = count;
        throw;
      }
      backend.finish();
    });
  }

  /// work(first, count, backend) for stretches of `blocks` blocks, long enough to keep the device busy and
  /// short enough for what operations need of its memory meanwhile.
  template <class Work>
  void eachStretch(int blocks, Work work) {
    const int most = std::max(1, main().leastRows() / (kStretches * main().lanes()));
    const int length = std::clamp((blocks + size() - 1) / size(), 1, most);
    each((blocks + length - 1) / length, [&](int index, Backend& backend) {
      const int first = index * length;
      work(first, std::min(length, blocks - first), backend);
    });
  }

  /// What the user should know of how the device was used; for any thread.
  void note(const std::string& text) {
    const std::lock_guard lock(mutex_);
    notes_.insert(text);
  }
  const std::set<std::string>& notes() const { return notes_; }

 private:
  /// Of a batch: one that keeps boxes holds several times what others do.
  static constexpr int kStretches = 8;

  ThreadPool& pool_;
  std::vector<std::unique_ptr<Backend>> backends_;
  std::mutex mutex_;
  std::set<std::string> notes_;
};

}  // namespace bulwark
