// Memory and streams of the emulated device.
#include <cuda_runtime.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

#include "selftest/emulation/emulation.h"

namespace bulwark::emulation {

bool runnable(dim3 grid, dim3 threads, size_t sharedBytes);
void runGrid(dim3 grid, dim3 threads, size_t sharedBytes, const std::function<void()>& kernel);

}  // namespace bulwark::emulation

using Work = std::function<void()>;

struct EmulatedGraph {
  std::shared_ptr<std::vector<Work>> works = std::make_shared<std::vector<Work>>();
  bool broken = false;  // while it is captured: something was asked for that cannot be
};

struct EmulatedStream {
  std::deque<Work> waiting;
  EmulatedGraph* captured = nullptr;
  void add(Work work) {
    if (captured) {
      captured->works->push_back(std::move(work));
    } else {
      waiting.push_back(std::move(work));
    }
  }
  void run() {
    while (!waiting.empty()) {
      waiting.front()();
      waiting.pop_front();
    }
  }
};

namespace {

constexpr size_t kGuard = 256;
constexpr unsigned char kPoison = 0xff, kGuardByte = 0xfe;  // as floats: NaN
constexpr size_t kMemory = size_t{1} << 30;

/// Allocations by address; what is pinned does not count as the device's.
struct World {
  std::mutex mutex;
  std::map<char*, size_t> device;
  std::map<char*, size_t> pinned;
  std::map<const void*, size_t> sharedLimits;  // of dynamic shared memory, by kernel
  size_t taken = 0;
  bool broken = false;
};
World& world() {
  static World only;
  return only;
}

bool guarded(const char* data, size_t bytes) {
  const auto intact = [](const char* at) {
    return std::all_of(at, at + kGuard,
                       [](char byte) { return static_cast<unsigned char>(byte) == kGuardByte; });
  };
  return intact(data - kGuard) && intact(data + bytes);
}

std::atomic<long> waited = 0, launched = 0, graphsLaunched = 0;

/// The stream that this thread captures.
thread_local EmulatedStream* capturing = nullptr;

/// Of a call that a capture of this thread does not allow: whether there is one, which it breaks.
bool breaksCapture() {
  if (capturing) capturing->captured->broken = true;
  return capturing != nullptr;
}

bool pinned(const void* data) {
  World& all = world();
  const std::lock_guard lock(all.mutex);
  const auto* at = static_cast<const char*>(data);
  return std::any_of(all.pinned.begin(), all.pinned.end(), [at](const auto& entry) {
    return at >= entry.first && at < entry.first + entry.second;
  });
}

void copyNow(void* to, const void* from, size_t bytes) { std::memcpy(to, from, bytes); }

}  // namespace

namespace bulwark::emulation {

long waits() { return waited; }
long launches() { return launched; }
long graphLaunches() { return graphsLaunched; }
bool guardsIntact() {
  World& all = world();
  const std::lock_guard lock(all.mutex);
  for (const auto& [data, bytes] : all.device) all.broken = all.broken || !guarded(data, bytes);
  return !std::exchange(all.broken, false);
}

bool sharedAllowed(const void* kernel, size_t bytes) {
  World& all = world();
  const std::lock_guard lock(all.mutex);
  const auto found = all.sharedLimits.find(kernel);
  return bytes <= (found == all.sharedLimits.end() ? size_t{48} << 10 : found->second);
}

cudaError_t enqueue(const cudaLaunchConfig_t& config, std::function<void()> kernel) {
  if (!runnable(config.gridDim, config.blockDim, config.dynamicSmemBytes))
    return cudaErrorInvalidConfiguration;
  if (!config.stream->captured) ++launched;
  config.stream->add([grid = config.gridDim, threads = config.blockDim, bytes = config.dynamicSmemBytes,
                      body = std::move(kernel)] { runGrid(grid, threads, bytes, body); });
  return cudaSuccess;
}

}  // namespace bulwark::emulation

cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute, int value) {
  // What compute capability 8.6 has, the least of those that run the kernels.
  constexpr int kMost = 99 << 10;
  if (value < 0 || value > kMost) return cudaErrorInvalidValue;
  World& all = world();
  const std::lock_guard lock(all.mutex);
  all.sharedLimits[kernel] = static_cast<size_t>(value);
  return cudaSuccess;
}

const char* cudaGetErrorName(cudaError_t error) {
  return error == cudaErrorMemoryAllocation ? "cudaErrorMemoryAllocation" : "cudaErrorOfTheEmulation";
}
const char* cudaGetErrorString(cudaError_t error) {
  return error == cudaErrorMemoryAllocation ? "out of memory" : "refused by the emulation";
}
cudaError_t cudaGetLastError() { return cudaSuccess; }

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  *properties = {"emulated", kMemory, 8, 0};
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int) { return cudaSuccess; }
cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  World& all = world();
  const std::lock_guard lock(all.mutex);
  *total = kMemory;
  *free = kMemory - std::min(kMemory, all.taken);
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** data, size_t bytes) {
  if (breaksCapture()) return cudaErrorStreamCaptureUnsupported;
  World& all = world();
  const std::lock_guard lock(all.mutex);
  if (all.taken + bytes > kMemory) return cudaErrorMemoryAllocation;
  auto* raw =
      static_cast<char*>(std::aligned_alloc(kGuard, (bytes + kGuard - 1) / kGuard * kGuard + 2 * kGuard));
  std::memset(raw, kGuardByte, kGuard);
  std::memset(raw + kGuard, kPoison, bytes);
  std::memset(raw + kGuard + bytes, kGuardByte, kGuard);
  all.device[raw + kGuard] = bytes;
  all.taken += bytes;
  *data = raw + kGuard;
  return cudaSuccess;
}
cudaError_t cudaFree(void* data) {
  if (breaksCapture()) return cudaErrorStreamCaptureUnsupported;
  World& all = world();
  const std::lock_guard lock(all.mutex);
  const auto found = all.device.find(static_cast<char*>(data));
  if (found == all.device.end()) return cudaErrorInvalidValue;
  all.broken = all.broken || !guarded(found->first, found->second);
  all.taken -= found->second;
  std::free(found->first - kGuard);
  all.device.erase(found);
  return cudaSuccess;
}
cudaError_t cudaMallocHost(void** data, size_t bytes) {
  if (breaksCapture()) return cudaErrorStreamCaptureUnsupported;
  World& all = world();
  const std::lock_guard lock(all.mutex);
  *data = std::malloc(bytes);
  all.pinned[static_cast<char*>(*data)] = bytes;
  return cudaSuccess;
}
cudaError_t cudaFreeHost(void* data) {
  if (breaksCapture()) return cudaErrorStreamCaptureUnsupported;
  World& all = world();
  const std::lock_guard lock(all.mutex);
  all.pinned.erase(static_cast<char*>(data));
  std::free(data);
  return cudaSuccess;
}

cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind) {
  if (breaksCapture()) return cudaErrorStreamCaptureUnsupported;
  copyNow(to, from, bytes);
  return cudaSuccess;
}
/// From pageable memory the runtime copies before it returns; from pinned memory, when the stream gets there.
/// CUDA would capture a copy from the host's memory and repeat it with whatever is there then, which nobody
/// here means.
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  if (kind != cudaMemcpyDeviceToDevice && stream->captured) {
    breaksCapture();
    return cudaErrorStreamCaptureUnsupported;
  }
  if (kind == cudaMemcpyHostToDevice && !pinned(from)) {
    const auto* bytesOfIt = static_cast<const char*>(from);
    stream->add([to, kept = std::vector<char>(bytesOfIt, bytesOfIt + bytes)] {
      copyNow(to, kept.data(), kept.size());
    });
  } else {
    stream->add([=] { copyNow(to, from, bytes); });
  }
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream) {
  stream->add([=] { std::memset(to, value, bytes); });
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  *stream = new EmulatedStream;
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  if (stream->captured) return cudaErrorStreamCaptureUnsupported;
  stream->run();
  delete stream;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (stream == cudaStreamLegacy) return cudaSuccess;
  if (stream->captured) {
    stream->captured->broken = true;
    return cudaErrorStreamCaptureUnsupported;
  }
  ++waited;
  stream->run();
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  if (stream == cudaStreamLegacy || stream->captured || capturing) return cudaErrorStreamCaptureUnsupported;
  stream->captured = new EmulatedGraph;
  capturing = stream;
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  if (capturing != stream) return cudaErrorInvalidValue;
  capturing = nullptr;
  *graph = std::exchange(stream->captured, nullptr);
  if (!(*graph)->broken) return cudaSuccess;
  delete std::exchange(*graph, nullptr);
  return cudaErrorStreamCaptureInvalidated;
}
cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* executable, cudaGraph_t graph,
                                          unsigned long long) {
  if (breaksCapture()) return cudaErrorStreamCaptureUnsupported;
  *executable = new EmulatedGraph(*graph);
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t stream) {
  ++graphsLaunched;
  stream->add([works = graph->works] {
    for (const Work& work : *works) work();
  });
  return cudaSuccess;
}
/// What was launched goes on.
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph) {
  delete graph;
  return cudaSuccess;
}
