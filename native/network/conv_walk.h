// The one place that says which pixels a convolution connects.
#pragma once

#include "network/network.h"

namespace bulwark {

/// Number of kernel positions.
inline int tapCount(const Conv& conv) { return conv.kernel[0] * conv.kernel[1]; }

/// Calls visit(output pixel, input pixel, tap) for every tap of every output pixel that does not fall on
/// padding; tap = kernel row * kernel width + kernel column.
template <class Visit>
void forEachTap(const Conv& conv, Visit&& visit) {
  for (int row = 0; row < conv.out.height; ++row) {
    for (int column = 0; column < conv.out.width; ++column) {
      for (int ky = 0; ky < conv.kernel[0]; ++ky) {
        const int y = row * conv.strides[0] - conv.pads[0] + ky * conv.dilations[0];
        if (y < 0 || y >= conv.in.height) continue;
        for (int kx = 0; kx < conv.kernel[1]; ++kx) {
          const int x = column * conv.strides[1] - conv.pads[1] + kx * conv.dilations[1];
          if (x < 0 || x >= conv.in.width) continue;
          visit(row * conv.out.width + column, y * conv.in.width + x, ky * conv.kernel[1] + kx);
        }
      }
    }
  }
}

/// Calls visit(output feature, input feature, weight) for every nonzero position of the convolution's
/// matrix. Each pair of features is visited at most once.
template <class Visit>
void forEachEntry(const Conv& conv, Visit&& visit) {
  const int taps = tapCount(conv);
  const int inPerGroup = conv.in.channels / conv.group, outPerGroup = conv.out.channels / conv.group;
  forEachTap(conv, [&](int outPixel, int inPixel, int tap) {
    for (int o = 0; o < conv.out.channels; ++o) {
      const double* weight = conv.weight.data() + static_cast<size_t>(o) * inPerGroup * taps + tap;
      const int first = inPixel * conv.in.channels + o / outPerGroup * inPerGroup;
      for (int i = 0; i < inPerGroup; ++i) {
        visit(outPixel * conv.out.channels + o, first + i, weight[static_cast<size_t>(i) * taps]);
      }
    }
  });
}

}  // namespace bulwark
