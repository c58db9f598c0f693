#pragma once

#include "kernels/cuda/stream.h"

namespace bulwark::BULWARK_CUDA {

void fill(Stream& stream, float* out, size_t count, float value);
void fill(Stream& stream, double* out, size_t count, double value);
void copy(Stream& stream, View in, View out, bool accumulate);
void midRadius(Stream& stream, View lower, View upper, View mid, View radius);
void ballBox(Stream& stream, View mid, View radius, const float* reach, Rows rho, float slack, View lower,
             View upper);
void deflect(Stream& stream, const InputRegion& region, Rows keep, Rows add, View pulled, View dx);
void intersectBox(Stream& stream, View lower, View upper, View intoLower, View intoUpper);
void reluBox(Stream& stream, View zhat, View lower, View upper, View outLower, View outUpper);
void relu(Stream& stream, View x, View y);
void reluMask(Stream& stream, View x, View g);

}  // namespace bulwark::BULWARK_CUDA
