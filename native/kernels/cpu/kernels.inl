// All kernels of one instruction set, in the order in which they build on each other.
// clang-format off
#include "kernels/cpu/lanes.inl"
#include "kernels/cpu/taps.inl"
#include "kernels/cpu/elementwise.inl"
#include "kernels/cpu/gather.inl"
#include "kernels/cpu/relu.inl"
#include "kernels/cpu/input.inl"
#include "kernels/cpu/attack.inl"
#include "kernels/cpu/noise.inl"
#include "kernels/cpu/dense_tile.inl"
#include "kernels/cpu/dense.inl"
#include "kernels/cpu/table.inl"
