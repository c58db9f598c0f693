// Convolutions as products whose operands are looked up where they lie: no columns are unfolded, so a batch
// costs no more memory than its images. Neighbouring threads fetch neighbouring pixels of one tap.
#include <climits>
#include <stdexcept>

#include "kernels/cuda/dense_kernels.h"
#include "kernels/cuda/dense_tile.h"

namespace bulwark::BULWARK_CUDA::dense {
namespace {

/// A convolution in what kernels may read: `DenseConv` has the host's arrays.
struct Geometry {
  int channels, height, width, outputs, outHeight, outWidth;
  int kernelY, kernelX, strideY, strideX, padY, padX;
  explicit Geometry(const DenseConv& conv)
      : channels(conv.channels),
        height(conv.height),
        width(conv.width),
        outputs(conv.outputs),
        outHeight(conv.outHeight()),
        outWidth(conv.outWidth()),
        kernelY(conv.kernel[0]),
        kernelX(conv.kernel[1]),
        strideY(conv.strides[0]),
        strideX(conv.strides[1]),
        padY(conv.pads[0]),
        padX(conv.pads[1]) {}
};

/// A tap: a channel (or output) and a place in the kernel.
struct Tap {
  int channel, ky, kx;
};
__device__ inline Tap tapOf(const Geometry& conv, int at) {
  const int area = conv.kernelY * conv.kernelX, channel = at / area, rest = at - channel * area;
  const int ky = rest / conv.kernelX;
  return {channel, ky, rest - ky * conv.kernelX};
}

struct Pixel {
  int image, y, x;
};
__device__ inline Pixel pixelOf(int at, int height, int width) {
  const int rows = at / width, image = rows / height;
  return {image, rows - image * height, at - rows * width};
}

/// What tap `tap` reads for the output at `to`.
__device__ inline float tapped(const Geometry& conv, const float* x, const Tap& tap, const Pixel& to) {
  const int iy = to.y * conv.strideY - conv.padY + tap.ky;
  const int ix = to.x * conv.strideX - conv.padX + tap.kx;
  if (iy < 0 || ix < 0 || iy >= conv.height || ix >= conv.width) return 0.0f;
  return x[((static_cast<size_t>(to.image) * conv.channels + tap.channel) * conv.height + iy) * conv.width +
           ix];
}

/// Weights by (output, tap).
struct Weights {
  static constexpr bool kAlongDepth = true;
  const float* weight;
  int fanIn;
  __device__ float operator()(int output, int tap) const {
    return weight[static_cast<size_t>(output) * fanIn + tap];
  }
};

/// Pixels by (output pixel of all images, tap).
struct Patches {
  static constexpr bool kAlongDepth = false;
  Geometry conv;
  const float* x;
  __device__ float operator()(int pixel, int tap) const {
    return tapped(conv, x, tapOf(conv, tap), pixelOf(pixel, conv.outHeight, conv.outWidth));
  }
};

/// The same the other way round: pixels by (tap, output pixel).
struct TurnedPatches {
  static constexpr bool kAlongDepth = true;
  Patches patches;
  __device__ float operator()(int tap, int pixel) const { return patches(pixel, tap); }
};

/// Weights by (channel, (output, place in the kernel)).
struct TurnedWeights {
  static constexpr bool kAlongDepth = true;
  Geometry conv;
  const float* weight;
  __device__ float operator()(int channel, int at) const {
    const int area = conv.kernelY * conv.kernelX, output = at / area;
    return weight[(static_cast<size_t>(output) * conv.channels + channel) * area + (at - output * area)];
  }
};

/// Outputs by (input pixel of all images, (output, place in the kernel)): those that read the pixel there.
struct Readers {
  static constexpr bool kAlongDepth = false;
  Geometry conv;
  const float* y;
  __device__ float operator()(int pixel, int at) const {
    const Tap tap = tapOf(conv, at);
    const Pixel from = pixelOf(pixel, conv.height, conv.width);
    const int dy = from.y + conv.padY - tap.ky, dx = from.x + conv.padX - tap.kx;
    const int oy = dy / conv.strideY, ox = dx / conv.strideX;
    if (dy < 0 || dx < 0 || oy >= conv.outHeight || ox >= conv.outWidth || oy * conv.strideY != dy ||
        ox * conv.strideX != dx)
      return 0.0f;
    return y[((static_cast<size_t>(from.image) * conv.outputs + tap.channel) * conv.outHeight + oy) *
                 conv.outWidth +
             ox];
  }
};

/// Outputs by (output channel, output pixel of all images).
struct Outputs {
  static constexpr bool kAlongDepth = true;
  const float* y;
  int outputs, positions;
  __device__ float operator()(int channel, int pixel) const {
    const int image = pixel / positions;
    return y[(static_cast<size_t>(image) * outputs + channel) * positions + (pixel - image * positions)];
  }
};

/// Sums by (channel, pixel of all images) into maps [image][channel][pixel].
struct MapEnd {
  float* maps;
  int channels, positions;
  __device__ void operator()(int channel, int pixel, float sum) const {
    const int image = pixel / positions;
    maps[(static_cast<size_t>(image) * channels + channel) * positions + (pixel - image * positions)] = sum;
  }
};

struct WeightEnd {
  float* weight;
  int fanIn;
  __device__ void operator()(int output, int tap, float sum) const {
    weight[static_cast<size_t>(output) * fanIn + tap] = sum;
  }
};

/// Pixels of all images, which kernels count in int.
int allPixels(const DenseConv& conv, int positions) {
  if (positions > INT_MAX / conv.images)
    throw std::invalid_argument("convolution: more than 2^31 pixels in a batch");
  return conv.images * positions;
}

}  // namespace

void convolve(Stream& stream, const DenseConv& conv, const float* x, const float* weight, float* y) {
  const ProductShape shape{conv.outputs, allPixels(conv, conv.positions()), conv.fanIn()};
  multiply(stream, shape, Weights{weight, conv.fanIn()}, Patches{Geometry(conv), x},
           MapEnd{y, conv.outputs, conv.positions()});
}

void convolveInput(Stream& stream, const DenseConv& conv, const float* y, const float* weight, float* x) {
  const int pixels = conv.height * conv.width;
  const ProductShape shape{conv.channels, allPixels(conv, pixels),
                           conv.outputs * conv.kernel[0] * conv.kernel[1]};
  multiply(stream, shape, TurnedWeights{Geometry(conv), weight}, Readers{Geometry(conv), y},
           MapEnd{x, conv.channels, pixels});
}

void convolveWeight(Stream& stream, const DenseConv& conv, const float* x, const float* y, float* weight) {
  const ProductShape shape{conv.outputs, conv.fanIn(), allPixels(conv, conv.positions())};
  multiply(stream, shape, Outputs{y, conv.outputs, conv.positions()}, TurnedPatches{{Geometry(conv), x}},
           WeightEnd{weight, conv.fanIn()});
}

}  // namespace bulwark::BULWARK_CUDA::dense
