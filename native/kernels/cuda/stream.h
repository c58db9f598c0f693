// A queue of work on the device, and the memory through which small things pass between host and device.
#pragma once

#include <functional>
#include <memory>

#include "kernels/cuda/memory.h"

namespace bulwark::BULWARK_CUDA {

class Stream {
 public:
  explicit Stream(std::shared_ptr<Memory> memory);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  cudaStream_t get() const { return stream_; }
  const std::shared_ptr<Memory>& memory() const { return memory_; }

  /// Waits for everything asked for so far; throws DeviceError where a kernel failed.
  void finish();

  /// Room on the device and pinned room on the host for the work that is queued next, one such room at a
  /// time: the call for another may hand out the same memory, once what was queued before is done.
  struct Window {
    void* device;
    void* host;
  };
  Window window(size_t bytes);
  /// A copy of a host array on the device, for work that is queued next.
  template <typename T>
  const T* pass(const T* host, size_t count) {
    return static_cast<const T*>(passBytes(host, count * sizeof(T)));
  }

  void upload(const void* host, size_t bytes, void* device);
  /// Waits.
  void download(const void* device, size_t bytes, void* host);

  /// Device memory for one operation after the other.
  double* partials(size_t count);
  /// What holds it now.
  const std::shared_ptr<Piece>& scratch() const { return partials_; }

  /// Captures what `calls` queue into `graph`, which is the caller's then. False, and nothing is queued,
  /// where they ask for something that cannot be put off: numbers from or to the host, or memory.
  bool capture(const std::function<void()>& calls, cudaGraph_t* graph);

  /// For what a capture cannot hold: ends it.
  void requireNow() const {
    if (captures_) throw NotNow();
  }

 private:
  struct NotNow {};
  const void* passBytes(const void* host, size_t bytes);

  std::shared_ptr<Memory> memory_;
  cudaStream_t stream_ = nullptr;
  Piece deviceRing_;
  std::shared_ptr<Piece> partials_;
  bool captures_ = false;
  void* hostRing_ = nullptr;
  size_t ring_ = 0, used_ = 0, partialCount_ = 0;
};

}  // namespace bulwark::BULWARK_CUDA
