// Recording calls of a stream: what a graph does, and what ends a recording. The same on a GPU and on its
// emulation, which else could not show that a recording is legal.
#include <string>

#include "kernels/cuda/elementwise.h"
#include "kernels/cuda/graph.h"
#include "selftest/harness.h"

namespace bulwark::selftest {
namespace {

using namespace bulwark::BULWARK_CUDA;

#define BULWARK_TEXT(name) #name
#define BULWARK_NAME(name) BULWARK_TEXT(name)

/// A block of rows of one feature.
class Cell {
 public:
  explicit Cell(const std::shared_ptr<Stream>& stream)
      : stream_(stream), piece_(stream->memory(), kLanes * sizeof(float)) {}
  View view() const { return {static_cast<float*>(piece_.data()), 1, 1}; }
  float number() const {
    float numbers[kLanes];
    stream_->download(piece_.data(), sizeof numbers, numbers);
    return numbers[kLanes - 1];
  }

 private:
  const std::shared_ptr<Stream> stream_;
  const Piece piece_;
};

const Test graphTest("a recorded stretch [" BULWARK_NAME(BULWARK_CUDA) "]", [](Context& context) {
  if (const DeviceList found = devices(); found.devices.empty()) return context.skip(found.reason);
  const auto stream = std::make_shared<Stream>(std::make_shared<Memory>(size_t{1} << 28, 1));
  Cell from(stream), to(stream);
  fill(*stream, from.view().data, kLanes, 1);
  fill(*stream, to.view().data, kLanes, 0);
  const auto add = [&] { copy(*stream, from.view(), to.view(), true); };
  auto recording = recordGraph(stream, [&] {
    add();
    add();
  });
  context.check(recording != nullptr, "two launches make a graph");
  if (!recording) return;
  context.check(to.number() == 0, "nothing is done while it is made");
  recording->replay();
  fill(*stream, from.view().data, kLanes, 10);
  recording->replay();
  add();
  recording->replay();
  recording.reset();  // what was launched goes on
  context.check(to.number() == 2 + 20 + 10 + 20, "each time all of it, in turn, with the numbers of then");

  float number = 7;
  const auto ends = [&](const char* what, const std::function<void()>& call) {
    const auto none = recordGraph(stream, [&] {
      add();
      call();
    });
    context.check(!none, std::string(what) + " ends a recording");
    context.check(to.number() == 52, std::string(what) + " leaves nothing behind");
  };
  ends("waiting", [&] { stream->finish(); });
  ends("a number to the device", [&] { stream->upload(&number, sizeof number, to.view().data); });
  ends("a number from the device", [&] { to.number(); });
  ends("more memory", [&] { stream->partials(1 << 16); });
  bool thrown = false;
  try {
    recordGraph(stream, [] { throw DeviceError("elsewhere"); });
  } catch (const DeviceError&) {
    thrown = true;
  }
  context.check(thrown, "other failures are passed on");

  // Below: the runtime itself, which the checks above never let it come to.
  const auto breaks = [&](const char* what, const std::function<cudaError_t()>& call) {
    cudaGraph_t graph = nullptr;
    require(cudaStreamBeginCapture(stream->get(), cudaStreamCaptureModeThreadLocal), "capture");
    context.check(call() != cudaSuccess, std::string(what) + " is an error while a stream is captured");
    context.check(cudaStreamEndCapture(stream->get(), &graph) != cudaSuccess && !graph,
                  std::string(what) + " breaks the capture");
    cudaGetLastError();
  };
  void* memory = nullptr;
  breaks("cudaMalloc", [&] { return cudaMalloc(&memory, 256); });
  breaks("cudaStreamSynchronize", [&] { return cudaStreamSynchronize(stream->get()); });
  add();
  context.check(to.number() == 62, "the stream goes on");
});

}  // namespace
}  // namespace bulwark::selftest
