#include <algorithm>
#include <cstring>
#include <utility>

#include "kernels/cuda/stream.h"

namespace bulwark::BULWARK_CUDA {
namespace {

constexpr size_t kFirstRing = size_t{1} << 20;
constexpr size_t kAlignment = 256;

}  // namespace

Stream::Stream(std::shared_ptr<Memory> memory) : memory_(std::move(memory)) {
  require(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "creation of a stream");
}

Stream::~Stream() {
  cudaStreamSynchronize(stream_);
  cudaStreamDestroy(stream_);
  if (hostRing_) cudaFreeHost(hostRing_);
}

void Stream::finish() {
  requireNow();
  require(cudaStreamSynchronize(stream_), "waiting for the device");
  used_ = 0;
}

Stream::Window Stream::window(size_t bytes) {
  requireNow();  // a window's memory serves what comes next, too
  bytes = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  if (used_ + bytes > ring_) finish();
  if (bytes > ring_) {
    const size_t size = std::max(kFirstRing, 2 * bytes);
    ring_ = 0;
    deviceRing_ = Piece();
    if (hostRing_) require(cudaFreeHost(std::exchange(hostRing_, nullptr)), "giving pinned memory back");
    deviceRing_ = Piece(memory_, size);
    require(cudaMallocHost(&hostRing_, size), "allocation of pinned memory");
    ring_ = size;
  }
  const size_t at = std::exchange(used_, used_ + bytes);
  return {static_cast<char*>(deviceRing_.data()) + at, static_cast<char*>(hostRing_) + at};
}

const void* Stream::passBytes(const void* host, size_t bytes) {
  const Window room = window(bytes);
  std::memcpy(room.host, host, bytes);
  require(cudaMemcpyAsync(room.device, room.host, bytes, cudaMemcpyHostToDevice, stream_),
          "copy to the device");
  return room.device;
}

void Stream::upload(const void* host, size_t bytes, void* device) {
  const Window room = window(bytes);
  std::memcpy(room.host, host, bytes);
  require(cudaMemcpyAsync(device, room.host, bytes, cudaMemcpyHostToDevice, stream_), "copy to the device");
}

void Stream::download(const void* device, size_t bytes, void* host) {
  const Window room = window(bytes);
  require(cudaMemcpyAsync(room.host, device, bytes, cudaMemcpyDeviceToHost, stream_), "copy from the device");
  finish();
  std::memcpy(host, room.host, bytes);
}

double* Stream::partials(size_t count) {
  if (count > partialCount_) {
    finish();
    partialCount_ = 0;
    partials_.reset();
    partials_ = std::make_shared<Piece>(memory_, count * sizeof(double));
    partialCount_ = count;
  }
  return static_cast<double*>(partials_->data());
}

bool Stream::capture(const std::function<void()>& calls, cudaGraph_t* graph) {
  // Other threads' calls are none of this capture's business.
  require(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), "recording of a stream");
  captures_ = true;
  bool whole = true;
  const auto end = [&] {
    captures_ = false;
    return cudaStreamEndCapture(stream_, graph);
  };
  try {
    calls();
  } catch (const NotNow&) {
    whole = false;
  } catch (...) {
    end();
    if (*graph) cudaGraphDestroy(std::exchange(*graph, nullptr));
    cudaGetLastError();
    throw;
  }
  require(end(), "recording of a stream");
  return whole;
}

}  // namespace bulwark::BULWARK_CUDA
