// Affine operators: forward, adjoint and magnitude against the weights one by one.
#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "selftest/batch.h"
#include "selftest/harness.h"
#include "selftest/reference.h"

namespace bulwark::selftest {
namespace {

std::vector<double> normals(Random& random, size_t count) {
  std::normal_distribution<double> normal;
  std::vector<double> values(count);
  for (double& value : values) value = normal(random);
  return values;
}

struct Case {
  std::string name;
  Affine affine;
};

Case linear(Random& random, int in, int out) {
  return {"linear " + std::to_string(in) + " -> " + std::to_string(out),
          Linear{in, out, normals(random, static_cast<size_t>(in) * out), normals(random, out)}};
}

/// pads: top, left, bottom, right.
Case conv(Random& random, Shape in, int channels, std::array<int, 2> kernel, std::array<int, 2> strides,
          std::array<int, 2> dilations, std::array<int, 4> pads, int group) {
  Conv made;
  made.in = in;
  made.group = group;
  made.kernel = kernel;
  made.strides = strides;
  made.dilations = dilations;
  made.pads = {pads[0], pads[1]};
  made.out.channels = channels;
  made.out.height = (in.height + pads[0] + pads[2] - dilations[0] * (kernel[0] - 1) - 1) / strides[0] + 1;
  made.out.width = (in.width + pads[1] + pads[3] - dilations[1] * (kernel[1] - 1) - 1) / strides[1] + 1;
  made.weight = normals(random, static_cast<size_t>(channels) * in.channels / group * kernel[0] * kernel[1]);
  made.bias = normals(random, made.out.size());
  const auto text = [](auto list) {
    std::string joined;
    for (const int value : list) {
      if (!joined.empty()) joined += ',';
      joined += std::to_string(value);
    }
    return joined;
  };
  return {"conv " + text(std::array{in.channels, in.height, in.width}) + " -> " + std::to_string(channels) +
              " k" + text(kernel) + " s" + text(strides) + " d" + text(dilations) + " p" + text(pads) + " g" +
              std::to_string(group),
          made};
}

Case scale(Random& random, int size) {
  return {"scale " + std::to_string(size), Scale{normals(random, size), normals(random, size)}};
}

Case index(Random& random, int in, int out) {
  Index made{in, {}};
  for (int i = 0; i < out; ++i) made.source.push_back(choose(random, -1, in - 1));
  return {"index " + std::to_string(in) + " -> " + std::to_string(out), made};
}

void checkPass(Context& context, Backend& backend, const Case& test, const AffinePlan& plan, Pass pass,
               Write write, int blocks) {
  const bool adjoint = pass == Pass::adjoint;
  const int in = inputFeatures(test.affine), out = outputFeatures(test.affine);
  Batch x(backend, adjoint ? out : in, blocks), y(backend, adjoint ? in : out, blocks);
  x.set([&](int, int) { return uniform(context.random, pass == Pass::magnitude ? 0 : -1, 1); });
  std::vector<double> want(y.rows() * static_cast<size_t>(y.features())), size = want;
  if (write == Write::accumulate) {
    y.set([&](int, int) { return uniform(context.random, -1, 1); });
    for (size_t i = 0; i < want.size(); ++i) size[i] = std::fabs(want[i] = y.host[i]);
  }
  std::vector<int> terms(y.features());
  eachWeight(test.affine, [&](int o, int i, double weight) {
    const int from = adjoint ? o : i, to = adjoint ? i : o;
    ++terms[to];
    for (int row = 0; row < y.rows(); ++row) {
      const double product = (pass == Pass::magnitude ? std::fabs(weight) : weight) * x.at(row, from);
      want[static_cast<size_t>(row) * y.features() + to] += product;
      size[static_cast<size_t>(row) * y.features() + to] += std::fabs(product);
    }
  });
  backend.apply(plan, pass, x.view(), y.view(), write);
  y.get();
  double worst = 0;
  int longest = 1;
  for (const int count : terms) longest = std::max(longest, count);
  for (size_t i = 0; i < want.size(); ++i) {
    const double error = std::fabs(y.host[i] - want[i]) / (size[i] + 1e-30);
    worst = error <= worst ? worst : error;  // keeps a NaN
  }
  const char* names[] = {"forward", "adjoint", "magnitude"};
  context.error(test.name + " " + names[static_cast<int>(pass)] + " x" + std::to_string(blocks), worst,
                1.2e-7 * (1 + std::sqrt(longest)));
}

void checkAdjointIdentity(Context& context, Backend& backend, const Case& test, const AffinePlan& plan) {
  Batch x(backend, inputFeatures(test.affine), 1), image(backend, outputFeatures(test.affine), 1);
  Batch y(backend, outputFeatures(test.affine), 1), back(backend, inputFeatures(test.affine), 1);
  x.set([&](int, int) { return uniform(context.random, -1, 1); });
  y.set([&](int, int) { return uniform(context.random, -1, 1); });
  backend.apply(plan, Pass::forward, x.view(), image.view(), Write::assign);
  backend.apply(plan, Pass::adjoint, y.view(), back.view(), Write::assign);
  image.get();
  back.get();
  double worst = 0;
  for (int row = 0; row < x.rows(); ++row) {
    double left = 0, right = 0, size = 1e-30;
    for (int i = 0; i < y.features(); ++i) {
      left += static_cast<double>(image.at(row, i)) * y.at(row, i);
      size += std::fabs(image.at(row, i) * y.at(row, i));
    }
    for (int i = 0; i < x.features(); ++i) {
      right += static_cast<double>(back.at(row, i)) * x.at(row, i);
      size += std::fabs(back.at(row, i) * x.at(row, i));
    }
    const double error = std::fabs(left - right) / size;
    worst = error <= worst ? worst : error;
  }
  context.error(test.name + " <Ax, y> = <x, A'y>", worst, 1e-5);
}

void checkBias(Context& context, Backend& backend, const Case& test, const AffinePlan& plan) {
  const std::vector<double> none;
  const std::vector<double>& bias = std::visit(
      [&](const auto& kind) -> const std::vector<double>& {
        if constexpr (requires { kind.bias; }) return kind.bias;
        if constexpr (requires { kind.shift; }) return kind.shift;
        return none;
      },
      test.affine);
  Batch y(backend, outputFeatures(test.affine), 2);
  y.set([&](int, int) { return uniform(context.random, -1, 1); });
  const std::vector<float> before = y.host;
  backend.addBias(plan, y.view());
  y.get();
  double worst = 0;
  for (size_t i = 0; i < before.size(); ++i) {
    const double want = before[i] + (bias.empty() ? 0.0 : bias[i % y.features()]);
    const double error = std::fabs(y.host[i] - want);
    worst = error <= worst ? worst : error;
  }
  context.error(test.name + " bias", worst, 1e-6);
}

void run(Context& context, Backend& backend, const Case& test) {
  const std::unique_ptr<AffinePlan> plan = backend.plan(test.affine);
  const bool small = inputFeatures(test.affine) * outputFeatures(test.affine) < 20000;
  for (int blocks = 1; blocks <= (small ? 7 : 3); ++blocks)
    for (const Pass pass : {Pass::forward, Pass::adjoint, Pass::magnitude})
      for (const Write write : {Write::assign, Write::accumulate})
        if (small || blocks == 3 || write == Write::assign)
          checkPass(context, backend, test, *plan, pass, write, blocks);
  checkAdjointIdentity(context, backend, test, *plan);
  checkBias(context, backend, test, *plan);
}

const Test linearTest(
    "linear",
    [](Context& context, Backend& backend) {
      for (const int in : {1, 7, 33, 1000})
        for (const int out : {1, 3, 10, 33}) run(context, backend, linear(context.random, in, out));
      run(context, backend, linear(context.random, 33, 1000));
      run(context, backend, linear(context.random, 431, 257));
    },
    Products::ownAndCublas);

const Test convTest("conv", [](Context& context, Backend& backend) {
  Random& random = context.random;
  run(context, backend, conv(random, {1, 9, 9}, 16, {4, 4}, {2, 2}, {1, 1}, {1, 1, 1, 1}, 1));
  run(context, backend, conv(random, {3, 10, 8}, 5, {4, 4}, {2, 2}, {1, 1}, {0, 0, 0, 0}, 1));
  run(context, backend, conv(random, {3, 8, 7}, 20, {3, 4}, {2, 1}, {1, 2}, {2, 1, 0, 3}, 1));
  run(context, backend, conv(random, {4, 6, 6}, 34, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 2));
  run(context, backend, conv(random, {2, 7, 5}, 200, {2, 2}, {3, 2}, {1, 1}, {0, 0, 1, 1}, 1));
  run(context, backend, conv(random, {5, 6, 7}, 9, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 1));
  run(context, backend, conv(random, {2, 9, 8}, 3, {3, 2}, {2, 3}, {2, 1}, {2, 0, 1, 3}, 1));
  run(context, backend, conv(random, {4, 8, 9}, 6, {2, 3}, {3, 1}, {1, 2}, {0, 3, 2, 1}, 2));
  run(context, backend, conv(random, {6, 5, 5}, 6, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 6));
  run(context, backend, conv(random, {7, 1, 1}, 4, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 1));
  run(context, backend, conv(random, {33, 4, 4}, 17, {1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}, 1));
  run(context, backend, conv(random, {3, 7, 7}, 2, {1, 1}, {3, 2}, {1, 1}, {0, 0, 0, 0}, 1));
  run(context, backend, conv(random, {200, 3, 3}, 8, {2, 2}, {1, 1}, {1, 1}, {1, 0, 0, 1}, 1));
  run(context, backend, conv(random, {2, 12, 1}, 3, {5, 1}, {4, 1}, {1, 1}, {2, 0, 0, 0}, 1));
});

const Test randomConvTest("conv, random geometry", [](Context& context, Backend& backend) {
  Random& random = context.random;
  for (int trial = 0; trial < 40;) {
    const int group = choose(random, 1, 3);
    const Shape in{group * choose(random, 1, 4), choose(random, 1, 9), choose(random, 1, 9)};
    const std::array<int, 2> kernel{choose(random, 1, 4), choose(random, 1, 4)};
    const std::array<int, 2> dilations{choose(random, 1, 3), choose(random, 1, 2)};
    const std::array<int, 4> pads{choose(random, 0, 3), choose(random, 0, 3), choose(random, 0, 3),
                                  choose(random, 0, 3)};
    if (in.height + pads[0] + pads[2] <= dilations[0] * (kernel[0] - 1)) continue;
    if (in.width + pads[1] + pads[3] <= dilations[1] * (kernel[1] - 1)) continue;
    const std::array<int, 2> strides{choose(random, 1, 3), choose(random, 1, 3)};
    run(context, backend,
        conv(random, in, group * choose(random, 1, 9), kernel, strides, dilations, pads, group));
    ++trial;
  }
});

const Test elementwiseAffineTest("scale and index", [](Context& context, Backend& backend) {
  for (const int size : {1, 7, 33, 1000}) {
    run(context, backend, scale(context.random, size));
    run(context, backend, index(context.random, size, size));
    run(context, backend, index(context.random, 7, size));
  }
});

const Test magnitudeTest("magnitude weights never round down", [](Context& context, Backend& backend) {
  const int in = 64;
  const Case test = linear(context.random, in, 9);
  const std::unique_ptr<AffinePlan> plan = backend.plan(test.affine);
  for (int i = 0; i < in; ++i) {
    Batch x(backend, in, 1), y(backend, 9, 1);
    x.set([&](int, int feature) { return feature == i ? 1 : 0; });
    backend.apply(*plan, Pass::magnitude, x.view(), y.view(), Write::assign);
    y.get();
    for (int o = 0; o < 9; ++o)
      context.check(y.at(0, o) >= std::fabs(std::get<Linear>(test.affine).weight[o * in + i]),
                    "weight " + std::to_string(o) + "," + std::to_string(i));
  }
});

const Test planTest("plans refuse what they cannot run", [](Context& context, Backend& backend) {
  const Case test = linear(context.random, 4, 3);
  const std::unique_ptr<AffinePlan> plan = backend.plan(test.affine);
  Batch x(backend, 4, 1), y(backend, 4, 1);
  bool threw = false;
  try {
    backend.apply(*plan, Pass::forward, x.view(), y.view(), Write::assign);
  } catch (const std::invalid_argument&) {
    threw = true;
  }
  context.check(threw, "a view of the wrong size is refused");
});

}  // namespace
}  // namespace bulwark::selftest
