// Linear maps and convolutions as tap problems.
#pragma once

#include <vector>

#include "kernels/cpu/tap_plan.h"

namespace bulwark {

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
