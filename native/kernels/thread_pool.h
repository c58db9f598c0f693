// A fixed set of threads that share out the iterations of loops. Idle threads sleep.
#pragma once

#include <condition_variable>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace bulwark {

class ThreadPool {
 public:
  /// `threads` workers in all, the caller of a loop included: 1 runs everything on the calling thread. Throws
  /// std::invalid_argument for fewer than 1.
  explicit ThreadPool(int threads);
  /// Waits for the loops under way.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return static_cast<int>(workers_.size()) + 1; }

  /// Calls body(index, worker) for index 0 .. count - 1 in no particular order, and returns when all are
  /// done. worker < size() differs between bodies of this loop that run at the same time. The caller takes
  /// part, so loops inside loops and loops from several threads at once make progress whatever the others do.
  /// The first exception stops the loop and is rethrown here.
  void parallelFor(long count, const std::function<void(long index, int worker)>& body);

 private:
  struct Loop;
  void work();
  void runShare(Loop& loop, std::unique_lock<std::mutex>& lock);

  std::mutex mutex_;
  std::condition_variable wake_;
  std::list<Loop*> open_;  // loops with iterations left to hand out
  bool closing_ = false;
  std::vector<std::thread> workers_;
};

}  // namespace bulwark
