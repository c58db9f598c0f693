// Moves between rows and lanes, boxes, norms, ReLU of points.
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "selftest/batch.h"
#include "selftest/harness.h"

namespace bulwark::selftest {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

double worse(double error, double worst) { return error <= worst ? worst : error; }  // keeps a NaN

template <typename Each>
void eachSize(Context& context, Each each) {
  for (const int features : {1, 7, 33, 1000}) each(features, choose(context.random, 1, 7));
}

void randomise(Context& context, Batch& batch, double low = -1, double high = 1) {
  batch.set([&](int, int) { return uniform(context.random, low, high); });
}

const Test packTest("pack, unpack, fill", [](Context& context, Backend& backend) {
  eachSize(context, [&](int features, int blocks) {
    const int rows = blocks * backend.lanes(), count = choose(context.random, 0, rows);
    std::vector<float> host(static_cast<size_t>(count) * features);
    for (float& x : host) x = static_cast<float>(uniform(context.random, -1, 1));
    Batch batch(backend, features, blocks);
    backend.pack(host.data(), count, batch.view());
    std::vector<float> back(static_cast<size_t>(count) * features, kNaN);
    backend.unpack(batch.view(), back.data(), count);
    context.check(back == host, "rows come back as they were");
    batch.get();
    for (int row = count; row < rows; ++row)
      for (int i = 0; i < features; ++i) context.check(batch.at(row, i) == 0, "rows past the count are zero");
    backend.fill(batch.view(), 2.5f);
    batch.get();
    context.check(std::all_of(batch.host.begin(), batch.host.end(), [](float x) { return x == 2.5f; }),
                  "fill");
  });
});

const Test gatherTest("gather", [](Context& context, Backend& backend) {
  eachSize(context, [&](int features, int blocks) {
    Batch in(backend, features, choose(context.random, 1, 4)), out(backend, features, blocks);
    RowValues inRows(backend, in.view().blocks), outRows(backend, blocks);
    randomise(context, in);
    randomise(context, out);
    inRows.set([&](int) { return uniform(context.random, -1, 1); });
    outRows.set([&](int) { return uniform(context.random, -1, 1); });
    const std::vector<float> before = out.host, rowsBefore = outRows.host;
    std::vector<int32_t> source(out.rows());
    for (int32_t& row : source) row = choose(context.random, -1, in.rows() - 1);
    backend.gather(in.view(), source.data(), out.view());
    backend.gather(inRows.device(), source.data(), outRows.device());
    out.get();
    outRows.get();
    for (int row = 0; row < out.rows(); ++row) {
      const float want = source[row] < 0 ? rowsBefore[row] : inRows.host[source[row]];
      context.check(outRows.host[row] == want, "per-row numbers follow");
      for (int i = 0; i < features; ++i) {
        const float entry =
            source[row] < 0 ? before[static_cast<size_t>(row) * features + i] : in.at(source[row], i);
        context.check(out.at(row, i) == entry, "row " + std::to_string(row));
      }
    }
  });
});

const Test unitsTest("units", [](Context& context, Backend& backend) {
  eachSize(context, [&](int features, int blocks) {
    Batch out(backend, features, blocks);
    std::vector<int32_t> feature(out.rows());
    std::vector<float> sign(out.rows());
    for (size_t row = 0; row < feature.size(); ++row) {
      feature[row] = choose(context.random, -1, features - 1);
      sign[row] = choose(context.random, 0, 1) ? 1.0f : -1.0f;
    }
    backend.units(feature.data(), sign.data(), out.view());
    out.get();
    for (int row = 0; row < out.rows(); ++row)
      for (int i = 0; i < features; ++i)
        context.check(out.at(row, i) == (i == feature[row] ? sign[row] : 0), "row " + std::to_string(row));
  });
});

const Test copyTest("copy", [](Context& context, Backend& backend) {
  eachSize(context, [&](int features, int blocks) {
    Batch in(backend, features, blocks), out(backend, features, blocks);
    randomise(context, in);
    backend.copy(in.view(), out.view(), Write::assign);
    context.check(out.get() == in.host, "assign");
    backend.copy(in.view(), out.view(), Write::accumulate);
    out.get();
    for (size_t i = 0; i < in.host.size(); ++i) context.check(out.host[i] == 2 * in.host[i], "accumulate");
  });
});

const Test normTest("norm2", [](Context& context, Backend& backend) {
  eachSize(context, [&](int features, int blocks) {
    Batch in(backend, features, blocks);
    RowValues out(backend, blocks);
    randomise(context, in);
    backend.norm2(in.view(), out.device());
    out.get();
    double worst = 0;
    for (int row = 0; row < in.rows(); ++row) {
      double sum = 0;
      for (int i = 0; i < features; ++i) sum += static_cast<double>(in.at(row, i)) * in.at(row, i);
      worst = worse(std::fabs(out.host[row] - std::sqrt(sum)) / std::sqrt(sum), worst);
    }
    context.error("norm", worst, 1e-6);
  });
});

struct Box {
  Box(Context& context, Backend& backend, int features, int blocks)
      : lower(backend, features, blocks), upper(backend, features, blocks) {
    randomise(context, lower, -1, 0);
    randomise(context, upper, 0, 1);
  }
  Batch lower, upper;
};

const Test midRadiusTest("midRadius", [](Context& context, Backend& backend) {
  eachSize(context, [&](int features, int blocks) {
    Box box(context, backend, features, blocks);
    Batch mid(backend, features, blocks), radius(backend, features, blocks);
    backend.midRadius(box.lower.view(), box.upper.view(), mid.view(), radius.view());
    mid.get();
    radius.get();
    double worst = 0;
    for (size_t i = 0; i < mid.host.size(); ++i) {
      worst = worse(std::fabs(static_cast<double>(mid.host[i]) - radius.host[i] - box.lower.host[i]), worst);
      worst = worse(std::fabs(static_cast<double>(mid.host[i]) + radius.host[i] - box.upper.host[i]), worst);
    }
    context.error("ends", worst, 2e-7);
  });
});

const Test ballBoxTest("ballBox", [](Context& context, Backend& backend) {
  eachSize(context, [&](int features, int blocks) {
    for (const bool reaching : {false, true}) {
      Batch mid(backend, features, blocks), radius(backend, features, blocks);
      Batch lower(backend, features, blocks), upper(backend, features, blocks);
      RowValues rho(backend, blocks);
      randomise(context, mid);
      randomise(context, radius, 0, 2);
      rho.set([&](int row) { return row == 2 ? kInfinity : row == 3 ? 0 : uniform(context.random, 0, 2); });
      RowValues reachValues(backend, (features + backend.lanes() - 1) / backend.lanes());
      reachValues.set([&](int) { return choose(context.random, 0, 4) ? uniform(context.random, 0, 1) : 0; });
      const std::vector<float>& reach = reachValues.host;
      const double slack = 1e-5;
      backend.ballBox(mid.view(), radius.view(), reaching ? reachValues.device().data : nullptr, rho.device(),
                      static_cast<float>(slack), lower.view(), upper.view());
      lower.get();
      upper.get();
      double tight = 0;
      for (int row = 0; row < mid.rows(); ++row)
        for (int i = 0; i < features; ++i) {
          const double r = rho.host[row], m = mid.at(row, i), half = radius.at(row, i);
          const double ball = std::isinf(r) ? r : (reaching ? reach[i] * r : r);
          const double low = std::min(std::max(m - half, -ball), 0.0);
          const double high = std::max(std::min(m + half, ball), 0.0);
          context.check(lower.at(row, i) <= low && upper.at(row, i) >= high,
                        "contains the exact intersection");
          tight = worse(std::max(low - lower.at(row, i), upper.at(row, i) - high), tight);
        }
      context.error("wider than the intersection", tight, 6e-5);
    }
  });
});

const Test intersectTest("intersectBox", [](Context& context, Backend& backend) {
  eachSize(context, [&](int features, int blocks) {
    Box box(context, backend, features, blocks), into(context, backend, features, blocks);
    const std::vector<float> lower = into.lower.host, upper = into.upper.host;
    backend.intersectBox(box.lower.view(), box.upper.view(), into.lower.view(), into.upper.view());
    into.lower.get();
    into.upper.get();
    for (size_t i = 0; i < lower.size(); ++i)
      context.check(into.lower.host[i] == std::max(lower[i], box.lower.host[i]) &&
                        into.upper.host[i] == std::min(upper[i], box.upper.host[i]),
                    "the tighter of both");
  });
});

const Test reluBoxTest("reluBox", [](Context& context, Backend& backend) {
  eachSize(context, [&](int features, int blocks) {
    Box box(context, backend, features, blocks);
    Batch zhat(backend, features, blocks), lower(backend, features, blocks), upper(backend, features, blocks);
    randomise(context, zhat);
    backend.reluBox(zhat.view(), box.lower.view(), box.upper.view(), lower.view(), upper.view());
    lower.get();
    upper.get();
    double worst = 0;
    for (size_t i = 0; i < zhat.host.size(); ++i) {
      const auto change = [&](double dz) {
        return std::max(zhat.host[i] + dz, 0.0) - std::max<double>(zhat.host[i], 0.0);
      };
      worst = worse(std::fabs(lower.host[i] - change(box.lower.host[i])), worst);
      worst = worse(std::fabs(upper.host[i] - change(box.upper.host[i])), worst);
    }
    context.error("ends", worst, 1.2e-7);
  });
});

const Test reluTest("relu and reluMask", [](Context& context, Backend& backend) {
  eachSize(context, [&](int features, int blocks) {
    Batch x(backend, features, blocks), y(backend, features, blocks), g(backend, features, blocks);
    x.set([&](int, int i) { return i == 5 ? kNaN : i == 6 ? 0 : uniform(context.random, -1, 1); });
    randomise(context, g);
    const std::vector<float> before = g.host;
    backend.relu(x.view(), y.view());
    backend.reluMask(x.view(), g.view());
    y.get();
    g.get();
    for (size_t i = 0; i < before.size(); ++i) {
      if (std::isnan(x.host[i])) {
        context.check(std::isnan(y.host[i]), "NaN stays NaN");
      } else {
        context.check(y.host[i] == std::max(x.host[i], 0.0f), "relu");
        context.check(g.host[i] == (x.host[i] > 0 ? before[i] : 0), "mask");
      }
    }
  });
});

}  // namespace
}  // namespace bulwark::selftest
