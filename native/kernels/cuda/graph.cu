// Recording by stream capture. An iteration of an ascent is some thirty kernels, most of which a small
// network's batch keeps busy for a few microseconds: about as long as the host needs to queue one, and the
// device to go from one to the next. As a graph they are one call, and follow each other without the host.
#include <utility>

#include "kernels/cuda/graph.h"

namespace bulwark::BULWARK_CUDA {
namespace {

class Graph final : public Recording {
 public:
  Graph(std::shared_ptr<Stream> stream, cudaGraphExec_t graph)
      : stream_(std::move(stream)), scratch_(stream_->scratch()), graph_(graph) {}
  ~Graph() override { cudaGraphExecDestroy(graph_); }
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;
  void replay() override { require(cudaGraphLaunch(graph_, stream_->get()), "launch of a graph"); }

 private:
  const std::shared_ptr<Stream> stream_;
  const std::shared_ptr<Piece> scratch_;  // which kernels of the graph were given
  const cudaGraphExec_t graph_;
};

}  // namespace

std::unique_ptr<Recording> recordGraph(const std::shared_ptr<Stream>& stream,
                                       const std::function<void()>& calls) {
  cudaGraph_t captured = nullptr;
  const bool whole = stream->capture(calls, &captured);
  cudaGraphExec_t graph = nullptr;
  const cudaError_t status = whole ? cudaGraphInstantiateWithFlags(&graph, captured, 0) : cudaSuccess;
  if (captured) cudaGraphDestroy(captured);
  // A graph takes memory beside the arena. Without it the same kernels run one by one.
  if (status == cudaErrorMemoryAllocation) cudaGetLastError();
  if (!whole || status == cudaErrorMemoryAllocation) return nullptr;
  require(status, "making a graph");
  return std::make_unique<Graph>(stream, graph);
}

}  // namespace bulwark::BULWARK_CUDA
