// Views carved out of one device allocation: sizes are declared first, the memory is taken once.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "kernels/backend.h"

namespace bulwark {

class Arena {
 public:
  explicit Arena(Backend& backend) : backend_(backend) {}

  /// Reserves room; `out` gets its memory at `commit` and must not move until then.
  void reserve(View& out, int features, int blocks) {
    out = {nullptr, features, blocks};
    add(sizeof(float) * features * blocks * backend_.lanes(),
        [&out](void* at) { out.data = static_cast<float*>(at); });
  }
  void reserve(Rows& out, int blocks) {
    out = {nullptr, blocks};
    add(sizeof(float) * blocks * backend_.lanes(), [&out](void* at) { out.data = static_cast<float*>(at); });
  }
  void reserve(Sums& out, int blocks) {
    out = {nullptr, blocks};
    add(sizeof(double) * blocks * backend_.lanes(),
        [&out](void* at) { out.data = static_cast<double*>(at); });
  }

  /// What has been reserved.
  size_t bytes() const { return size_; }

  void commit() {
    buffer_ = backend_.allocate(size_ + 1);
    char* base = static_cast<char*>(buffer_->data());
    for (const Slot& slot : slots_) slot.assign(base + slot.offset);
    slots_.clear();
  }

 private:
  struct Slot {
    size_t offset;
    std::function<void(void*)> assign;
  };
  void add(size_t bytes, std::function<void(void*)> assign) {
    slots_.push_back({size_, std::move(assign)});
    size_ += (bytes + kAlignment - 1) / kAlignment * kAlignment;
  }

  static constexpr size_t kAlignment = 256;
  Backend& backend_;
  size_t size_ = 0;
  std::vector<Slot> slots_;
  std::unique_ptr<Buffer> buffer_;
};

/// Blocks [first, first + count) of a view.
inline View blocksOf(View view, int first, int count, int lanes) {
  return {view.data + static_cast<size_t>(first) * view.features * lanes, view.features, count};
}
inline Rows blocksOf(Rows rows, int first, int count, int lanes) {
  return {rows.data + static_cast<size_t>(first) * lanes, count};
}

/// The first features of a view that is only memory for narrower ones.
inline View withFeatures(View view, int features) { return {view.data, features, view.blocks}; }
/// One number per row as a view of one feature.
inline View asView(Rows rows) { return {rows.data, 1, rows.blocks}; }

}  // namespace bulwark
