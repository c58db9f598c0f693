#include "kernels/thread_pool.h"

#include <algorithm>
#include <exception>
#include <stdexcept>
#include <string>

namespace bulwark {

struct ThreadPool::Loop {
  const std::function<void(long, int)>& body;
  long count;
  long next = 0;    // first iteration not yet handed out
  int helpers = 0;  // participants inside the loop, numbered by `seats`
  std::vector<char> seats;
  std::exception_ptr error;
  std::condition_variable done;
};

ThreadPool::ThreadPool(int threads) {
  if (threads < 1)
    throw std::invalid_argument("threads: got " + std::to_string(threads) + ", expected at least 1");
  for (int i = 1; i < threads; ++i) workers_.emplace_back([this] { work(); });
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    closing_ = true;
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

/// Takes iterations of one loop until none are left. Iterations are images or batches, milliseconds each, so
/// one lock per iteration is cheap; each takes the next one when it is free, which balances unequal images.
void ThreadPool::runShare(Loop& loop, std::unique_lock<std::mutex>& lock) {
  const auto seat = std::find(loop.seats.begin(), loop.seats.end(), 0);
  *seat = 1;
  ++loop.helpers;
  const int worker = static_cast<int>(seat - loop.seats.begin());
  while (loop.next < loop.count) {
    const long index = loop.next++;
    if (loop.next == loop.count) open_.remove(&loop);
    lock.unlock();
    std::exception_ptr error;
    try {
      loop.body(index, worker);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    if (error) {
      if (!loop.error) loop.error = error;
      if (loop.next < loop.count) open_.remove(&loop);
      loop.next = loop.count;
    }
  }
  *seat = 0;
  if (--loop.helpers == 0) loop.done.notify_all();
}

void ThreadPool::work() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return closing_ || !open_.empty(); });
    if (open_.empty()) return;
    // The newest loop first: an inner loop holds up its outer one.
    runShare(*open_.back(), lock);
  }
}

void ThreadPool::parallelFor(long count, const std::function<void(long, int)>& body) {
  if (count <= 0) return;
  if (workers_.empty() || count == 1) {
    for (long index = 0; index < count; ++index) body(index, 0);
    return;
  }
  Loop loop{body, count, 0, 0, std::vector<char>(size(), 0), nullptr, {}};
  std::unique_lock<std::mutex> lock(mutex_);
  open_.push_back(&loop);
  if (count - 1 < static_cast<long>(workers_.size())) {
    for (long i = 1; i < count; ++i) wake_.notify_one();
  } else {
    wake_.notify_all();
  }
  runShare(loop, lock);
  loop.done.wait(lock, [&loop] { return loop.helpers == 0; });
  lock.unlock();
  if (loop.error) std::rethrow_exception(loop.error);
}

}  // namespace bulwark
