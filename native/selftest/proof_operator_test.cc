// The proof's products in lanes, of every kind of convolution, against plain float64 references.
#include <algorithm>
#include <cmath>
#include <vector>

#include "network/reference.h"
#include "proof/operator.h"
#include "selftest/harness.h"
#include "selftest/network_graphs.h"

namespace bulwark::selftest {
namespace {

using proof::kBlocks;
using proof::kLanes;
using proof::kMixedLanes;

using Vector = std::vector<double>;

/// Convolutions of any kind, with few channels often, as tiles are for four; and matrices.
Affine randomAffine(Random& random) {
  if (pick(random, 0, 3) > 0) {
    const int group = pick(random, 0, 2) == 0 ? pick(random, 2, 3) : 1;
    return randomConv(
        random, group,
        {.kernel = 5, .stride = 4, .dilation = 2, .pad = 2, .size = 12, .inputs = 5, .outputs = 9});
  }
  const int in = pick(random, 1, 40), out = pick(random, 1, 40);
  return Linear{in, out, normals(random, in * out), Vector(out)};
}

/// Zeros of either sign but for up to three entries of one lane each, as rows of single neurons have.
Vector fewEntries(Random& random, int features) {
  Vector out(static_cast<size_t>(features) * kLanes);
  for (double& each : out) each = pick(random, 0, 9) == 0 ? -0.0 : 0.0;
  const int count = pick(random, 0, 3);
  for (const double value : normals(random, count))
    out[pick(random, 0, static_cast<int>(out.size()) - 1)] = value;
  return out;
}

Vector lane(const Vector& values, int lanes, int which) {
  Vector out;
  for (size_t i = which; i < values.size(); i += lanes) out.push_back(values[i]);
  return out;
}

/// The largest difference, relative to the magnitudes that each entry sums.
double distance(const Vector& a, const Vector& b, const Vector& magnitudes) {
  double most = 0;
  for (size_t i = 0; i < a.size(); ++i)
    most = std::max(most, std::fabs(a[i] - b[i]) / (magnitudes[i] + 1e-300));
  return a.size() == b.size() ? most : INFINITY;
}

Vector absolute(Vector values) {
  for (double& value : values) value = std::fabs(value);
  return values;
}

Affine absolute(Affine affine) {
  const auto both = [](auto& each) { each.weight = absolute(std::move(each.weight)); };
  if (auto* conv = std::get_if<Conv>(&affine)) both(*conv);
  if (auto* linear = std::get_if<Linear>(&affine)) both(*linear);
  return affine;
}

const Test products("proof: products in lanes against float64, one block or two", [](Context& context) {
  Random& random = context.random;
  for (int i = 0; i < 300; ++i) {
    const proof::KernelTable& kernels = i % 2 ? proof::portable::table : proof::kernels();
    const Affine affine = randomAffine(random), magnitude = absolute(affine);
    const proof::Operator op(affine);
    const int in = inputSize(affine), out = outputSize(affine);
    for (const bool forward : {true, false}) {
      const int from = forward ? in : out, to = forward ? out : in;
      Vector x[kBlocks], y[kBlocks], alone(static_cast<size_t>(to) * kLanes, NAN);
      const double* reads[kBlocks];
      double* writes[kBlocks];
      for (int block = 0; block < kBlocks; ++block) {
        x[block] = i % 3 ? normals(random, from * kLanes) : fewEntries(random, from);
        y[block].assign(static_cast<size_t>(to) * kLanes, NAN);  // every entry must be written
        reads[block] = x[block].data();
        writes[block] = y[block].data();
      }
      double* one = alone.data();
      if (forward) {
        op.forward(kernels, kBlocks, reads, writes);
        op.forward(kernels, 1, reads, &one);
      } else {
        op.adjoint(kernels, kBlocks, reads, writes);
        op.adjoint(kernels, 1, reads, &one);
      }
      context.check(alone == y[0], "a second block changes the first");
      for (int block = 0; block < kBlocks; ++block) {
        const int which = pick(random, 0, kLanes - 1);
        const Vector input = lane(x[block], kLanes, which), sizes = absolute(input);
        const auto apply = [&](const Affine& a, const Vector& v) {
          return forward ? reference::applyLinear(a, v.data()) : reference::applyAdjoint(a, v.data());
        };
        context.error(forward ? "forward" : "adjoint",
                      distance(lane(y[block], kLanes, which), apply(affine, input), apply(magnitude, sizes)),
                      1e-14);
      }
    }
    const Vector x = normals(random, in * kMixedLanes);
    Vector y(static_cast<size_t>(out) * kMixedLanes, NAN);
    op.forwardMixed(kernels, x.data(), y.data());
    for (const int half : {0, 1}) {
      const int which = half * kMixedLanes / 2 + pick(random, 0, kMixedLanes / 2 - 1);
      const Vector input = lane(x, kMixedLanes, which), sizes = absolute(input);
      context.error(half ? "magnitudes" : "mixed",
                    distance(lane(y, kMixedLanes, which),
                             reference::applyLinear(half ? magnitude : affine, input.data()),
                             reference::applyLinear(magnitude, sizes.data())),
                    1e-14);
    }
  }
});

}  // namespace
}  // namespace bulwark::selftest
