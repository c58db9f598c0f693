// Fibers and barriers of one block at a time, on the thread that waits for the stream.
#undef _FORTIFY_SOURCE  // its longjmp refuses to change stacks

#include "selftest/emulation/emulation.h"

#include <cuda_runtime.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <vector>

constinit thread_local uint3 threadIdx{}, blockIdx{}, blockDim{}, gridDim{};

namespace bulwark::emulation {
namespace {

constexpr unsigned kWarp = 32;
constexpr size_t kStack = size_t{64} << 10;
constexpr unsigned kMostThreads = 1024;
constexpr size_t kMostShared = size_t{227} << 10;

enum class State : uint8_t { ready, atBlockBarrier, atWarpBarrier, done };

struct Fiber {
  ucontext_t start{};
  std::jmp_buf resume{};
  bool started = false;
  State state = State::done;
  uint3 index{};
  uint64_t word = 0;
};

/// The threads of the block that this thread of the host emulates.
class Block {
 public:
  Block() : fibers_(kMostThreads), shared_(new double[kMostShared / sizeof(double)]) {
    stacks_ = static_cast<char*>(
        mmap(nullptr, kStack * kMostThreads, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (stacks_ == MAP_FAILED) refuse("no memory for fibers");
  }
  ~Block() { munmap(stacks_, kStack * kMostThreads); }
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  void run(unsigned threads, const std::function<void()>& kernel) {
    kernel_ = &kernel;
    threads_ = threads;
    order_.resize(threads);
    for (unsigned i = 0; i < threads; ++i) {
      fibers_[i].state = State::ready;
      fibers_[i].index = {i % blockDim.x, i / blockDim.x % blockDim.y, i / (blockDim.x * blockDim.y)};
      order_[i] = i;
    }
    unsigned left = threads;
    while (left > 0) {
      reorder();
      for (const unsigned i : order_) {
        if (fibers_[i].state != State::ready) continue;
        resume(i);
        left -= fibers_[i].state == State::done;
      }
      if (left > 0) release(left);
    }
  }

  void wait(State at) {
    Fiber& fiber = fibers_[current_];
    fiber.state = at;
    leave(fiber);
    threadIdx = fiber.index;
  }

  uint64_t exchange(uint64_t word, unsigned lane) {
    fibers_[current_].word = word;
    const unsigned from = current_ / kWarp * kWarp + lane;
    wait(State::atWarpBarrier);
    if (from >= threads_) refuse("a shuffle from a thread that is not there");
    const uint64_t found = fibers_[from].word;
    wait(State::atWarpBarrier);
    return found;
  }

  unsigned lane() const { return current_ % kWarp; }
  void* shared() { return shared_.get(); }
  void poisonShared(size_t bytes) { std::memset(shared_.get(), 0xff, bytes); }  // NaN

 private:
  /// Forward, backward and shuffled by turns.
  void reorder() {
    switch (turn_++ % 3) {
      case 0:
        break;
      case 1:
        std::reverse(order_.begin(), order_.end());
        break;
      case 2:
        std::shuffle(order_.begin(), order_.end(), random_);
        break;
    }
  }

  void resume(unsigned i) {
    Fiber& fiber = fibers_[i];
    current_ = i;
    threadIdx = fiber.index;
    if (_setjmp(scheduler_) != 0) return;
    if (fiber.started) _longjmp(fiber.resume, 1);
    fiber.started = true;
    getcontext(&fiber.start);
    fiber.start.uc_stack.ss_sp = stacks_ + i * kStack;
    fiber.start.uc_stack.ss_size = kStack;
    fiber.start.uc_link = nullptr;
    makecontext(&fiber.start, &Block::entry, 0);
    setcontext(&fiber.start);
  }

  void leave(Fiber& fiber) {
    if (_setjmp(fiber.resume) == 0) _longjmp(scheduler_, 1);
  }

  /// A fiber runs one thread of every block, one after the other.
  static void entry();
  void serve() {
    for (;;) {
      (*kernel_)();
      fibers_[current_].state = State::done;
      leave(fibers_[current_]);
    }
  }

  void release(unsigned left) {
    bool released = false;
    for (unsigned first = 0; first < threads_; first += kWarp) {
      const unsigned last = std::min(first + kWarp, threads_);
      bool all = true;
      for (unsigned i = first; i < last; ++i) all = all && fibers_[i].state == State::atWarpBarrier;
      for (unsigned i = first; all && i < last; ++i) fibers_[i].state = State::ready;
      released = released || all;
    }
    if (released) return;
    for (unsigned i = 0; i < threads_; ++i)
      if (fibers_[i].state != State::atBlockBarrier)
        refuse("a barrier that not all threads of the block reach");
    if (left != threads_) refuse("a barrier after some threads of the block have ended");
    for (unsigned i = 0; i < threads_; ++i) fibers_[i].state = State::ready;
  }

  std::vector<Fiber> fibers_;
  char* stacks_;
  std::unique_ptr<double[]> shared_;
  std::vector<unsigned> order_;
  const std::function<void()>* kernel_ = nullptr;
  unsigned threads_ = 0, current_ = 0, turn_ = 0;
  std::jmp_buf scheduler_{};
  std::minstd_rand random_;
};

Block& block() {
  static thread_local Block mine;
  return mine;
}

void Block::entry() { block().serve(); }

}  // namespace

void refuse(const char* what) {
  std::fprintf(stderr, "CUDA emulation: %s (block %u,%u,%u thread %u,%u,%u)\n", what, blockIdx.x, blockIdx.y,
               blockIdx.z, threadIdx.x, threadIdx.y, threadIdx.z);
  std::abort();
}

void blockBarrier() { block().wait(State::atBlockBarrier); }
void warpBarrier() { block().wait(State::atWarpBarrier); }
uint64_t exchange(uint64_t word, unsigned lane) { return block().exchange(word, lane); }
unsigned laneIndex() { return block().lane(); }
void* dynamicShared() { return block().shared(); }

bool runnable(dim3 grid, dim3 threads, size_t sharedBytes) {
  const unsigned count = threads.x * threads.y * threads.z;
  return count > 0 && count <= kMostThreads && sharedBytes <= kMostShared && grid.y <= 65535 &&
         grid.z <= 65535 && grid.x > 0 && grid.y > 0 && grid.z > 0;
}

void runGrid(dim3 grid, dim3 threads, size_t sharedBytes, const std::function<void()>& kernel) {
  gridDim = {grid.x, grid.y, grid.z};
  blockDim = {threads.x, threads.y, threads.z};
  for (unsigned z = 0; z < grid.z; ++z)
    for (unsigned y = 0; y < grid.y; ++y)
      for (unsigned x = grid.x; x-- > 0;) {
        blockIdx = {x, y, z};
        block().poisonShared(sharedBytes);
        block().run(threads.x * threads.y * threads.z, kernel);
      }
}

}  // namespace bulwark::emulation
