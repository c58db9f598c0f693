// What training's arithmetic does entry by entry, and sums of entries, against plain float64 loops, wherever
// it computes; see dense_checks.h.
#include <algorithm>
#include <array>
#include <cmath>

#include "selftest/batch.h"
#include "selftest/dense_checks.h"
#include "selftest/harness.h"

namespace bulwark::selftest {
namespace {

double applied(Unary kind, double t) {
  switch (kind) {
    case Unary::relu:
      return std::max(t, 0.0);
    case Unary::absolute:
      return std::fabs(t);
    case Unary::exponential:
      return std::exp(t);
    case Unary::logarithm:
      return std::log(t);
    case Unary::root:
      return std::sqrt(t);
    case Unary::reciprocal:
      return 1 / t;
    case Unary::square:
      return t * t;
    case Unary::softplus:
      return std::max(t, 0.0) + std::log1p(std::exp(-std::fabs(t)));
    case Unary::sigmoid:
      return 1 / (1 + std::exp(-t));
    case Unary::step:
      return t > 0 ? 1 : 0;
    case Unary::sign:
      return (t > 0) - (t < 0);
  }
  return t;
}

double applied(Binary kind, double s, double t) {
  switch (kind) {
    case Binary::add:
      return s + t;
    case Binary::subtract:
      return s - t;
    case Binary::multiply:
      return s * t;
    case Binary::divide:
      return s / t;
    case Binary::largest:
      return std::max(s, t);
    case Binary::least:
      return std::min(s, t);
    case Binary::gate:
      return t > 0 ? s : 0;
    case Binary::greater:
      return s > t ? 1 : 0;
  }
  return s;
}

const Test entriesTest("dense device: single entries", [](Context& context, Device& device) {
  const auto dense = device.makeDense(1);
  for (const int count : kSizes) {
    const size_t size = static_cast<size_t>(count);
    for (int code = 0; code < kUnaryKinds; ++code) {
      const Unary kind = static_cast<Unary>(code);
      const bool positive = kind == Unary::logarithm || kind == Unary::root || kind == Unary::reciprocal;
      const std::vector<float> host = randomFloats(context, size, positive ? 0.1 : -20, 20);
      const DeviceFloats x(*dense, host), y(*dense, size);
      checkFresh(
          context, *dense, "unary " + std::to_string(code), y,
          [&](size_t i) { return applied(kind, wide(host[i])); }, 1e-6,
          [&] { dense->unary(kind, x.data(), y.data(), size); });
    }
    const std::vector<float> hostX = randomFloats(context, size), hostY = randomFloats(context, size);
    const DeviceFloats x(*dense, hostX), y(*dense, size), kept(*dense, hostY);
    checkFresh(
        context, *dense, "scale", y, [&](size_t i) { return -1.5 * wide(hostX[i]) + 0.25; }, 1e-6,
        [&] { dense->scale(x.data(), y.data(), size, -1.5f, 0.25f); });
    check(
        context, "combine", kept, [&](size_t i) { return 2 * wide(hostX[i]) - 0.5 * wide(hostY[i]); }, 1e-6,
        [&] { dense->combine(x.data(), kept.data(), size, 2, -0.5f); });
  }
});

/// Strides of operands that are whole, or repeat along some axes.
StridedLoop randomLoop(Context& context, int rank, int repeats, std::array<size_t, 3>& sizes) {
  StridedLoop loop{};
  loop.rank = rank;
  sizes.fill(1);
  for (int axis = 0; axis < rank; ++axis) loop.dims[axis] = choose(context.random, 1, rank > 3 ? 5 : 12);
  for (int axis = 0; axis < rank; ++axis) sizes[2] *= static_cast<size_t>(loop.dims[axis]);
  for (size_t operand = 0; operand < 2; ++operand)
    for (int axis = rank - 1; axis >= 0; --axis) {
      // An operand whose last axis is longer than 1 steps along it by one.
      if (choose(context.random, 0, 3) < repeats) continue;
      loop.strides[operand][axis] = static_cast<int64_t>(sizes[operand]);
      sizes[operand] *= static_cast<size_t>(loop.dims[axis]);
    }
  for (size_t operand = 0; operand < 2; ++operand) {
    int64_t& last = loop.strides[operand][static_cast<size_t>(rank) - 1];
    last = std::min<int64_t>(last, 1);
  }
  return loop;
}

size_t placeIn(const StridedLoop& loop, size_t operand, size_t at) {
  size_t place = 0;
  for (int axis = loop.rank - 1; axis >= 0; --axis) {
    const size_t dim = static_cast<size_t>(loop.dims[axis]);
    place += at % dim * static_cast<size_t>(loop.strides[operand][axis]);
    at /= dim;
  }
  return place;
}

const Test stridesTest("dense device: pairs of entries, strided", [](Context& context, Device& device) {
  const auto dense = device.makeDense(1);
  for (int round = 0; round < 40; ++round) {
    std::array<size_t, 3> sizes{};
    const StridedLoop loop = randomLoop(context, 1 + round % kMaxRank, round % 4, sizes);
    const Binary kind = static_cast<Binary>(round % kBinaryKinds);
    const std::vector<float> hostA = randomFloats(context, sizes[0]),
                             hostB = randomFloats(context, sizes[1], kind == Binary::divide ? 0.1 : -1, 1);
    const DeviceFloats a(*dense, hostA), b(*dense, hostB), y(*dense, sizes[2]);
    checkFresh(
        context, *dense, "binary " + std::to_string(round % kBinaryKinds), y,
        [&](size_t at) {
          return applied(kind, wide(hostA[placeIn(loop, 0, at)]), wide(hostB[placeIn(loop, 1, at)]));
        },
        1e-6, [&] { dense->binary(kind, loop, a.data(), b.data(), y.data()); });
  }
});

const Test sumsTest("dense device: sums over axes", [](Context& context, Device& device) {
  const auto dense = device.makeDense(1);
  const auto one = [&](const StridedLoop& loop, size_t outputs, size_t count) {
    const std::vector<float> hostX = randomFloats(context, count), before = randomFloats(context, outputs);
    std::vector<double> sums(before.begin(), before.end());
    for (size_t at = 0; at < count; ++at) sums[placeIn(loop, 0, at)] += wide(hostX[at]);
    const DeviceFloats x(*dense, hostX), y(*dense, before), again(*dense, before);
    check(
        context, "sums", y, [&](size_t i) { return sums[i]; },
        1e-6 + 2e-7 * std::sqrt(static_cast<double>(count / outputs)),
        [&] { dense->addReduced(loop, x.data(), y.data()); });
    dense->addReduced(loop, x.data(), again.data());
    context.check(y.read() == again.read(), "the same bits again");
  };
  for (int round = 0; round < 40; ++round) {
    std::array<size_t, 3> sizes{};
    const StridedLoop loop = randomLoop(context, 1 + round % kMaxRank, round % 4, sizes);
    one(loop, sizes[0], sizes[2]);
  }
  // Longer than a piece: all, rows, columns, channels of maps.
  one({1, {5000}, {{{0}, {}}}}, 1, 5000);
  one({2, {3, 5001}, {{{1, 0}, {}}}}, 3, 15003);
  one({2, {5001, 3}, {{{0, 1}, {}}}}, 3, 15003);
  one({2, {100, 33}, {{{0, 1}, {}}}}, 33, 3300);
  one({3, {40, 7, 81}, {{{0, 1, 0}, {}}}}, 7, 22680);
});

const Test gatherTest("dense device: entries by index", [](Context& context, Device& device) {
  const auto dense = device.makeDense(1);
  for (const int count : kSizes)
    for (const int range : {1, 20, 2000})
      for (const bool sorted : {false, true}) {
        const size_t size = static_cast<size_t>(count), places = static_cast<size_t>(range);
        std::vector<int32_t> indices(size);
        for (int32_t& index : indices) index = choose(context.random, -1, range - 1);
        if (sorted) std::sort(indices.begin(), indices.end());
        const std::vector<float> hostX = randomFloats(context, places), hostG = randomFloats(context, size);
        std::vector<float> sums = randomFloats(context, places);
        const DeviceFloats x(*dense, hostX), y(*dense, size), g(*dense, hostG), into(*dense, sums);
        const auto picked = [&](size_t i) {
          return indices[i] < 0 ? 0.0 : wide(hostX[static_cast<size_t>(indices[i])]);
        };
        checkFresh(context, *dense, "gathered", y, picked, 0,
                   [&] { dense->gather(x.data(), indices.data(), y.data(), size); });
        dense->scatterAdd(g.data(), indices.data(), into.data(), size);
        for (size_t i = 0; i < size; ++i)
          if (indices[i] >= 0) sums[static_cast<size_t>(indices[i])] += hostG[i];
        context.check(into.read() == sums, "scattered, in the order of the sources");
      }
});

}  // namespace
}  // namespace bulwark::selftest
