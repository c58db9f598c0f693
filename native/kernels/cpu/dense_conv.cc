// Convolutions image by image: patches unfolded into columns, then a matrix product. The columns of an image
// are [fanIn][positions], so no layout changes are needed.

#include <algorithm>
#include <cstddef>

#include "kernels/cpu/cpu_dense.h"

namespace bulwark {
namespace {

/// Calls visit(column index, first input of the row or null in the padding, output row) for every row of
/// every kernel element's column.
template <typename Visit>
void eachRow(const DenseConv& conv, Visit visit) {
  const int outHeight = conv.outHeight();
  for (int channel = 0; channel < conv.channels; ++channel)
    for (int ky = 0; ky < conv.kernel[0]; ++ky)
      for (int kx = 0; kx < conv.kernel[1]; ++kx) {
        const int element = (channel * conv.kernel[0] + ky) * conv.kernel[1] + kx;
        for (int oy = 0; oy < outHeight; ++oy) {
          const int y = oy * conv.strides[0] - conv.pads[0] + ky;
          visit(element, channel, y >= 0 && y < conv.height ? y : -1, kx, oy);
        }
      }
}

}  // namespace

void CpuDense::unfold(const DenseConv& conv, const float* image, float* columns) const {
  const int outWidth = conv.outWidth();
  eachRow(conv, [&](int element, int channel, int y, int kx, int oy) {
    float* to = columns + static_cast<size_t>(element) * static_cast<size_t>(conv.positions()) +
                static_cast<size_t>(oy) * static_cast<size_t>(outWidth);
    const float* row = image + (static_cast<ptrdiff_t>(channel) * conv.height + y) * conv.width;
    for (int ox = 0; ox < outWidth; ++ox) {
      const int x = ox * conv.strides[1] - conv.pads[1] + kx;
      to[ox] = y >= 0 && x >= 0 && x < conv.width ? row[x] : 0.0f;
    }
  });
}

void CpuDense::foldAdd(const DenseConv& conv, const float* columns, float* image) const {
  const int outWidth = conv.outWidth();
  eachRow(conv, [&](int element, int channel, int y, int kx, int oy) {
    if (y < 0) return;
    const float* from = columns + static_cast<size_t>(element) * static_cast<size_t>(conv.positions()) +
                        static_cast<size_t>(oy) * static_cast<size_t>(outWidth);
    float* row = image + (static_cast<ptrdiff_t>(channel) * conv.height + y) * conv.width;
    for (int ox = 0; ox < outWidth; ++ox) {
      const int x = ox * conv.strides[1] - conv.pads[1] + kx;
      if (x >= 0 && x < conv.width) row[x] += from[ox];
    }
  });
}

namespace {

size_t imageSize(const DenseConv& conv) {
  return static_cast<size_t>(conv.channels) * static_cast<size_t>(conv.height) *
         static_cast<size_t>(conv.width);
}
size_t outputSize(const DenseConv& conv) {
  return static_cast<size_t>(conv.outputs) * static_cast<size_t>(conv.positions());
}
size_t columnSize(const DenseConv& conv) {
  return static_cast<size_t>(conv.fanIn()) * static_cast<size_t>(conv.positions());
}

}  // namespace

void CpuDense::convolve(const DenseConv& conv, const float* x, const float* weight, float* y) {
  float* columns = columns_.floats(columnSize(conv));
  for (int image = 0; image < conv.images; ++image, x += imageSize(conv), y += outputSize(conv)) {
    unfold(conv, x, columns);
    gemm({weight, columns, y, conv.outputs, conv.positions(), conv.fanIn(), false, false, false});
  }
}

void CpuDense::convolveInput(const DenseConv& conv, const float* y, const float* weight, float* x) {
  float* columns = columns_.floats(columnSize(conv));
  for (int image = 0; image < conv.images; ++image, x += imageSize(conv), y += outputSize(conv)) {
    gemm({weight, y, columns, conv.fanIn(), conv.positions(), conv.outputs, true, false, false});
    std::fill_n(x, imageSize(conv), 0.0f);
    foldAdd(conv, columns, x);
  }
}

void CpuDense::convolveWeight(const DenseConv& conv, const float* x, const float* y, float* weight) {
  float* columns = columns_.floats(columnSize(conv));
  for (int image = 0; image < conv.images; ++image, x += imageSize(conv), y += outputSize(conv)) {
    unfold(conv, x, columns);
    gemm({y, columns, weight, conv.outputs, conv.fanIn(), conv.positions(), false, true, image > 0});
  }
}

}  // namespace bulwark
