// Memory that is taken and given back many times over: fresh pages cost more than the sums written to them.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <utility>
#include <vector>

namespace bulwark::proof {

/// Arrays of doubles that start on a cache line, so that vectors never cross one. For one thread.
class Buffers {
 public:
  Buffers() = default;
  Buffers(Buffers&&) = default;
  ~Buffers() {
    for (const Free& each : free_) ::operator delete[](each.data, std::align_val_t{64});
  }

  struct GiveBack {
    Buffers* home = nullptr;
    size_t capacity = 0;
    void operator()(double* data) const { home->free_.push_back({data, capacity}); }
  };
  using Buffer = std::unique_ptr<double[], GiveBack>;

  /// At least `count` doubles of unspecified value; goes back when it dies, before these Buffers do.
  Buffer take(size_t count) {
    Free* best = nullptr;
    for (Free& each : free_) {
      if (each.capacity >= count && (!best || each.capacity < best->capacity)) best = &each;
    }
    if (!best) {
      auto* fresh = static_cast<double*>(::operator new[](count * sizeof(double), std::align_val_t{64}));
      return Buffer(fresh, {this, count});
    }
    const Free found = std::exchange(*best, free_.back());
    free_.pop_back();
    return Buffer(found.data, {this, found.capacity});
  }

 private:
  struct Free {
    double* data;
    size_t capacity;
  };
  std::vector<Free> free_;
};

}  // namespace bulwark::proof
