#include <algorithm>
#include <string>

#include "kernels/cuda/memory.h"

namespace bulwark::BULWARK_CUDA {
namespace {

constexpr size_t kAlignment = 256;

size_t rounded(size_t bytes) {
  return std::max<size_t>(1, (bytes + kAlignment - 1) / kAlignment) * kAlignment;
}

}  // namespace

void require(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // forgets errors that do not break the device
  const std::string text =
      std::string(what) + ": " + cudaGetErrorString(status) + " (" + cudaGetErrorName(status) + ")";
  if (status == cudaErrorMemoryAllocation) throw DeviceMemoryError(text);
  throw DeviceError(text);
}

Memory::~Memory() {
  for (const auto& [address, piece] : pieces_)
    if (piece.first) cudaFree(address);
}

void* Memory::take(size_t bytes) {
  bytes = rounded(bytes);
  const std::lock_guard lock(mutex_);
  // The smallest that fits, so that what is taken first does not break up the room of a whole batch.
  const auto fitting = [&] {
    auto best = pieces_.end();
    for (auto piece = pieces_.begin(); piece != pieces_.end(); ++piece)
      if (piece->second.free && piece->second.bytes >= bytes &&
          (best == pieces_.end() || piece->second.bytes < best->second.bytes))
        best = piece;
    return best;
  };
  auto found = fitting();
  if (found == pieces_.end()) {
    grow(bytes);
    found = fitting();
  }
  auto& [address, piece] = *found;
  if (piece.bytes > bytes) pieces_.emplace(address + bytes, Piece{piece.bytes - bytes, true, false});
  piece.bytes = bytes;
  piece.free = false;
  taken_ += bytes;
  return address;
}

void Memory::giveBack(void* data) {
  const std::lock_guard lock(mutex_);
  auto piece = pieces_.find(static_cast<char*>(data));
  taken_ -= piece->second.bytes;
  piece->second.free = true;
  const auto absorbNext = [this](auto into) {
    const auto next = std::next(into);
    if (next == pieces_.end() || !next->second.free || next->second.first) return;
    into->second.bytes += next->second.bytes;
    pieces_.erase(next);
  };
  absorbNext(piece);
  if (piece->second.first) return;
  const auto before = std::prev(piece);
  if (before->second.free) absorbNext(before);
}

size_t Memory::left() const {
  const std::lock_guard lock(mutex_);
  return budget_ - std::min(budget_, taken_);
}

/// Gives allocations back that no piece is left of.
void Memory::releaseUnused() {
  for (auto piece = pieces_.begin(); piece != pieces_.end();) {
    const auto next = std::next(piece);
    const bool whole = piece->second.first && (next == pieces_.end() || next->second.first);
    if (whole && piece->second.free) {
      reserved_ -= piece->second.bytes;
      require(cudaFree(piece->first), "giving device memory back");
      pieces_.erase(piece);
    }
    piece = next;
  }
}

void Memory::grow(size_t bytes) {
  if (reserved_ + bytes > budget_) releaseUnused();
  const size_t left = budget_ - std::min(budget_, reserved_);
  if (bytes > left)
    throw DeviceMemoryError("device memory: " + std::to_string(bytes) + " bytes wanted, " +
                            std::to_string(left) + " left of a budget of " + std::to_string(budget_));
  const size_t size = std::max(bytes, std::min(grain_, left));
  void* allocation = nullptr;
  require(cudaMalloc(&allocation, size),
          ("allocation of " + std::to_string(size) + " bytes on the device").c_str());
  reserved_ += size;
  pieces_.emplace(static_cast<char*>(allocation), Piece{size, true, true});
}

}  // namespace bulwark::BULWARK_CUDA
