// Rows on their way between host and device, and between places in a batch.
//
// A row is a column of its block, so rows from the host are turned in tiles of 32 x 32 in shared memory (one
// column wider, so that neither direction meets one bank 32 times); both sides of the device's memory are
// then met in whole lines. The host's side goes through pinned memory, a few blocks at a time.
#include <algorithm>
#include <cstring>

#include "kernels/cuda/elementwise.h"
#include "kernels/cuda/lanes.h"
#include "kernels/cuda/rows.h"

namespace bulwark::BULWARK_CUDA {
namespace {

/// Bytes that pass at a time: enough to hide a launch, little enough to stay in the ring.
constexpr size_t kAtOnce = size_t{8} << 20;

__global__ void packTiles(const float* rows, int count, int features, float* out) {
  __shared__ float tile[kLanes][kLanes + 1];
  const int first = static_cast<int>(blockIdx.x) * kLanes, block = static_cast<int>(blockIdx.y);
  const int column = static_cast<int>(threadIdx.x);
  for (int lane = static_cast<int>(threadIdx.y); lane < kLanes; lane += kWarps) {
    const int row = block * kLanes + lane, feature = first + column;
    tile[lane][column] =
        row < count && feature < features ? rows[static_cast<size_t>(row) * features + feature] : 0.0f;
  }
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.y); i < kLanes && first + i < features; i += kWarps)
    out[(static_cast<size_t>(block) * features + first + i) * kLanes + column] = tile[column][i];
}

__global__ void unpackTiles(const float* in, int count, int features, float* rows) {
  __shared__ float tile[kLanes][kLanes + 1];
  const int first = static_cast<int>(blockIdx.x) * kLanes, block = static_cast<int>(blockIdx.y);
  const int column = static_cast<int>(threadIdx.x);
  for (int i = static_cast<int>(threadIdx.y); i < kLanes && first + i < features; i += kWarps)
    tile[column][i] = in[(static_cast<size_t>(block) * features + first + i) * kLanes + column];
  __syncthreads();
  for (int lane = static_cast<int>(threadIdx.y); lane < kLanes; lane += kWarps) {
    const int row = block * kLanes + lane, feature = first + column;
    if (row < count && feature < features)
      rows[static_cast<size_t>(row) * features + feature] = tile[lane][column];
  }
}

__global__ void takeColumn(const float* from, int features, float* out) {
  const int feature = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (feature < features) out[feature] = from[static_cast<size_t>(feature) * kLanes];
}

__global__ void setColumn(const float* values, int features, float* to) {
  const int feature = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (feature < features) to[static_cast<size_t>(feature) * kLanes] = values[feature];
}

__global__ void gatherRows(const float* in, const int32_t* source, int features, float* out) {
  const size_t block = blockIdx.y;
  const int32_t from = source[block * kLanes + threadIdx.x];
  if (from < 0) return;
  const size_t origin = static_cast<size_t>(from / kLanes) * features * kLanes + from % kLanes;
  const int end = min(features, static_cast<int>(blockIdx.x + 1) * kLanes);
  for (int i = static_cast<int>(blockIdx.x * kLanes + threadIdx.y); i < end; i += kWarps)
    out[(block * features + i) * kLanes + threadIdx.x] = in[origin + static_cast<size_t>(i) * kLanes];
}

__global__ void selectRows(const float* which, const float* in, int features, float* out) {
  const size_t block = blockIdx.y;
  if (which[block * kLanes + threadIdx.x] == 0.0f) return;
  const int end = min(features, static_cast<int>(blockIdx.x + 1) * kLanes);
  for (int i = static_cast<int>(blockIdx.x * kLanes + threadIdx.y); i < end; i += kWarps) {
    const size_t at = (block * features + i) * kLanes + threadIdx.x;
    out[at] = in[at];
  }
}

struct Unit {
  int32_t feature;
  float sign;
};

__global__ void unitRows(const Unit* units, int features, float* out) {
  const size_t block = blockIdx.y;
  const Unit unit = units[block * kLanes + threadIdx.x];
  const int end = min(features, static_cast<int>(blockIdx.x + 1) * kLanes);
  for (int i = static_cast<int>(blockIdx.x * kLanes + threadIdx.y); i < end; i += kWarps)
    out[(block * features + i) * kLanes + threadIdx.x] = i == unit.feature ? unit.sign : 0.0f;
}

dim3 tilesOf(View view) { return dim3(divideUp(view.features, kLanes), view.blocks); }
dim3 tileThreads() { return dim3(kLanes, kWarps); }

__global__ void pinOne(const float* zhat, float* bound) { *bound = -*zhat; }

/// The first entry of a row.
float* columnOf(View view, int row) { return view.data + row / kLanes * blockFloats(view) + row % kLanes; }

int blocksAtOnce(View view) {
  return static_cast<int>(std::max<size_t>(1, kAtOnce / (blockFloats(view) * sizeof(float))));
}

}  // namespace

void pack(Stream& stream, const float* rows, int count, View out) {
  const int step = blocksAtOnce(out);
  for (int first = 0; first < out.blocks; first += step) {
    const View part{out.data + first * blockFloats(out), out.features, std::min(step, out.blocks - first)};
    const int present = std::clamp(count - first * kLanes, 0, part.blocks * kLanes);
    const size_t floats = static_cast<size_t>(present) * out.features;
    const float* passed = present > 0 ? stream.pass(rows + first * blockFloats(out), floats) : nullptr;
    launch(stream.get(), packTiles, tilesOf(part), tileThreads(), passed, present, part.features, part.data);
  }
}

void unpack(Stream& stream, View in, float* rows, int count) {
  const int step = blocksAtOnce(in);
  for (int first = 0; first * kLanes < count; first += step) {
    const int present = std::min(count - first * kLanes, step * kLanes);
    const View part{in.data + first * blockFloats(in), in.features, divideUp(present, kLanes)};
    const size_t bytes = static_cast<size_t>(present) * in.features * sizeof(float);
    const Stream::Window room = stream.window(bytes);
    launch(stream.get(), unpackTiles, tilesOf(part), tileThreads(), part.data, present, part.features,
           static_cast<float*>(room.device));
    require(cudaMemcpyAsync(room.host, room.device, bytes, cudaMemcpyDeviceToHost, stream.get()),
            "copy from the device");
    stream.finish();
    std::memcpy(rows + first * blockFloats(in), room.host, bytes);
  }
}

void readRow(Stream& stream, View in, int row, float* host) {
  const size_t bytes = in.features * sizeof(float);
  const Stream::Window room = stream.window(bytes);
  launch(stream.get(), takeColumn, divideUp(in.features, 256), 256, columnOf(in, row), in.features,
         static_cast<float*>(room.device));
  require(cudaMemcpyAsync(room.host, room.device, bytes, cudaMemcpyDeviceToHost, stream.get()),
          "copy from the device");
  stream.finish();
  std::memcpy(host, room.host, bytes);
}

void writeRow(Stream& stream, const float* host, int row, View out) {
  launch(stream.get(), setColumn, divideUp(out.features, 256), 256, stream.pass(host, out.features),
         out.features, columnOf(out, row));
}

void put(Stream& stream, float value, int feature, int row, View out) {
  fill(stream, columnOf(out, row) + static_cast<size_t>(feature) * kLanes, 1, value);
}

void pin(Stream& stream, View zhat, int feature, int row, View bound) {
  const size_t at = static_cast<size_t>(feature) * kLanes;
  launch(stream.get(), pinOne, 1, 1, columnOf(zhat, row) + at, columnOf(bound, row) + at);
}

void gather(Stream& stream, View in, const int32_t* source, View out) {
  launch(stream.get(), gatherRows, tilesOf(out), tileThreads(), in.data,
         stream.pass(source, static_cast<size_t>(out.blocks) * kLanes), out.features, out.data);
}

void select(Stream& stream, Rows which, View in, View out) {
  launch(stream.get(), selectRows, tilesOf(out), tileThreads(), which.data, in.data, out.features, out.data);
}

void units(Stream& stream, const int32_t* feature, const float* sign, View out) {
  std::vector<Unit> rows(static_cast<size_t>(out.blocks) * kLanes);
  for (size_t row = 0; row < rows.size(); ++row) rows[row] = {feature[row], sign[row]};
  launch(stream.get(), unitRows, tilesOf(out), tileThreads(), stream.pass(rows.data(), rows.size()),
         out.features, out.data);
}

}  // namespace bulwark::BULWARK_CUDA
