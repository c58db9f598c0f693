// Linear maps and convolutions as tap problems: what a device's plan of a product is made from.
#pragma once

#include <vector>

#include "network/network.h"

namespace bulwark {

/// One tap of an output pixel: which kernel element, from which input pixel.
struct Tap {
  int element;
  int source;
};

/// What a plan is made from: out[pixel][m] = sum over taps, k of weight(group, element, k, m) in[source][k].
struct TapProblem {
  int groups = 1;
  int depth = 0;    // input channels of a group
  int outputs = 0;  // output channels of a group
  /// Kernel elements in the order in which they are packed: elements that meet neighbouring input pixels
  /// should be neighbours, for their channels then form one long sum.
  std::vector<int> order;
  std::vector<std::vector<Tap>> taps;  // per output pixel, in that order
  std::vector<float> weight;           // [group][element][depth][outputs], elements by `order`

  /// Where outputs lie, in features of a block: output m of a group at place[pixel] + group * groupStride +
  /// m, or
  /// + targets[m], which adds to what is there because pixels may share outputs.
  std::vector<int> place;
  int groupStride = 0;
  std::vector<int> targets;
  int inFeatures = 0, outFeatures = 0;
};

/// How a float64 weight becomes a float32 one.
using Rounding = float (*)(double);
float nearest(double x);
/// |x|, never smaller.
float magnitudeAbove(double x);

TapProblem linearProblem(const Linear& linear, bool adjoint, Rounding rounding);
TapProblem convProblem(const Conv& conv, bool adjoint, Rounding rounding);

/// The adjoint of a convolution from few channels: a problem that gathers would have too few outputs per
/// pixel to reuse what it loads. Here the positions are the pixels of the convolution's output and the
/// outputs are all kernel elements of all input channels, added where they belong. One problem for the
/// interior and each border.
std::vector<TapProblem> scatterProblems(const Conv& conv, Rounding rounding);
/// Whether scattering is the faster adjoint.
bool scatters(const Conv& conv);

}  // namespace bulwark
