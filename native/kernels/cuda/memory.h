// Device memory: one arena with a budget, cut into pieces as backends ask for them.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "kernels/cuda/launch.h"

namespace bulwark::BULWARK_CUDA {

/// Pieces of large allocations of the runtime, which are slow to make and stop the device when freed. The
/// smallest that fits is taken, neighbours are joined again when given back. For any number of threads.
class Memory {
 public:
  /// `grain`: the runtime is asked for at least this much at a time.
  Memory(size_t budget, size_t grain) : budget_(budget), grain_(grain) {}
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  /// Aligned to 256 bytes. Throws DeviceMemoryError where neither the budget nor the device has as much.
  void* take(size_t bytes);
  /// Nothing on the device may use the piece any more.
  void giveBack(void* piece);

  /// Bytes of the budget that no piece holds.
  size_t left() const;

 private:
  struct Piece {
    size_t bytes;
    bool free;
    bool first;  // of an allocation of the runtime: not joined to what lies before it
  };
  void grow(size_t bytes);
  void releaseUnused();

  const size_t budget_, grain_;
  mutable std::mutex mutex_;
  std::map<char*, Piece> pieces_;  // by address, without gaps inside an allocation
  size_t reserved_ = 0, taken_ = 0;
};

/// What lies on the device as long as an operator's plan does.
class Piece {
 public:
  Piece() = default;
  Piece(std::shared_ptr<Memory> memory, size_t bytes)
      : memory_(std::move(memory)), data_(memory_->take(bytes)) {}
  ~Piece() {
    if (data_) memory_->giveBack(data_);
  }
  Piece(Piece&& other) noexcept
      : memory_(std::move(other.memory_)), data_(std::exchange(other.data_, nullptr)) {}
  Piece& operator=(Piece&& other) noexcept {
    std::swap(memory_, other.memory_);
    std::swap(data_, other.data_);
    return *this;
  }
  void* data() const { return data_; }

 private:
  std::shared_ptr<Memory> memory_;
  void* data_ = nullptr;
};

/// An unchanging copy of a host array; complete when the constructor returns.
template <typename T>
class Array {
 public:
  Array() = default;
  Array(const std::shared_ptr<Memory>& memory, const std::vector<T>& host) : size_(host.size()) {
    if (host.empty()) return;
    piece_ = Piece(memory, host.size() * sizeof(T));
    require(cudaMemcpy(piece_.data(), host.data(), host.size() * sizeof(T), cudaMemcpyHostToDevice),
            "copy of an operator to the device");
    // From pageable memory the copy may still be on its way from a staging buffer.
    require(cudaStreamSynchronize(cudaStreamLegacy), "copy of an operator to the device");
  }
  const T* data() const { return static_cast<const T*>(piece_.data()); }
  size_t size() const { return size_; }

 private:
  Piece piece_;
  size_t size_ = 0;
};

}  // namespace bulwark::BULWARK_CUDA
