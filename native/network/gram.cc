#include "network/gram.h"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <map>
#include <utility>

#include "network/conv_walk.h"

namespace bulwark {
namespace {

/// Twice the bound on || fl(G) - G ||_2 for entries that are sums of at most `terms` products.
double assemblyError(const SymmetricBand& gram, int terms) {
  return (terms + 8.0) * std::numeric_limits<double>::epsilon() * gram.trace();
}

double dot(const double* a, const double* b, int count) {
  constexpr int lanes = 8;
  double sums[lanes] = {};
  int i = 0;
  for (; i + lanes <= count; i += lanes) {
    for (int lane = 0; lane < lanes; ++lane) sums[lane] += a[i + lane] * b[i + lane];
  }
  double sum = 0;
  for (; i < count; ++i) sum += a[i] * b[i];
  for (const double part : sums) sum += part;
  return sum;
}

int place(int pixel, const Shape& map, bool columnsFirst) {
  return columnsFirst ? pixel % map.width * map.height + pixel / map.width : pixel;
}

/// meetings[q] = the pixels of the Gram's side that pixel q of the other side connects to, and by which tap.
std::vector<std::vector<std::pair<int, int>>> findMeetings(const Conv& conv, bool onInput,
                                                           bool columnsFirst) {
  std::vector<std::vector<std::pair<int, int>>> meetings(onInput ? conv.out.pixels() : conv.in.pixels());
  forEachTap(conv, [&](int outPixel, int inPixel, int tap) {
    if (onInput) {
      meetings[outPixel].emplace_back(place(inPixel, conv.in, columnsFirst), tap);
    } else {
      meetings[inPixel].emplace_back(place(outPixel, conv.out, columnsFirst), tap);
    }
  });
  return meetings;
}

/// One tap's matrix, [side][other], so that a Gram entry is a product of rows.
std::vector<double> tapMatrix(const Conv& conv, int tap, bool onInput) {
  const int in = conv.in.channels, out = conv.out.channels, taps = tapCount(conv);
  std::vector<double> result(static_cast<size_t>(in) * out);
  for (int o = 0; o < out; ++o) {
    for (int i = 0; i < in; ++i) {
      const double weight = conv.weight[(static_cast<size_t>(o) * in + i) * taps + tap];
      result[onInput ? static_cast<size_t>(i) * out + o : static_cast<size_t>(o) * in + i] = weight;
    }
  }
  return result;
}

}  // namespace

Gram matrixGram(const double* weight, int rows, int columns, const Checkpoint& checkpoint) {
  std::vector<double> transposed;
  if (rows > columns) {
    transposed.resize(static_cast<size_t>(rows) * columns);
    for (int r = 0; r < rows; ++r) {
      for (int c = 0; c < columns; ++c) {
        transposed[static_cast<size_t>(c) * rows + r] = weight[static_cast<size_t>(r) * columns + c];
      }
    }
    weight = transposed.data();
    std::swap(rows, columns);
  }
  SymmetricBand gram = SymmetricBand::gram(weight, rows, columns, checkpoint);
  const double error = assemblyError(gram, columns);
  return {std::move(gram), error};
}

ConvGramPlan planConvGram(const Conv& conv) {
  std::vector<ConvGramPlan> plans;
  for (const bool onInput : {false, true}) {
    const Shape& map = onInput ? conv.in : conv.out;
    const bool columnsFirst = map.width > map.height;
    int apart = 0;
    for (const auto& meeting : findMeetings(conv, onInput, columnsFirst)) {
      if (meeting.empty()) continue;
      const auto [low, high] = std::minmax_element(meeting.begin(), meeting.end());
      apart = std::max(apart, high->first - low->first);
    }
    plans.push_back({onInput, columnsFirst, map.size(), (apart + 1) * map.channels - 1});
  }
  return plans[0].operations() <= plans[1].operations() ? plans[0] : plans[1];
}

Gram convGram(const Conv& conv, const ConvGramPlan& plan, const Checkpoint& checkpoint) {
  const int taps = tapCount(conv);
  const int side = plan.onInput ? conv.in.channels : conv.out.channels;
  const int other = plan.onInput ? conv.out.channels : conv.in.channels;
  std::vector<std::vector<double>> matrices;
  for (int tap = 0; tap < taps; ++tap) matrices.push_back(tapMatrix(conv, tap, plan.onInput));

  // products[s, t] = M_s M_t^T, [side][side], made when first met.
  std::map<std::pair<int, int>, std::vector<double>> products;
  const auto product = [&](int s, int t) -> const std::vector<double>& {
    std::vector<double>& result = products[{s, t}];
    if (result.empty()) {
      for (int a = 0; a < side; ++a) {
        for (int b = 0; b < side; ++b) {
          result.push_back(dot(matrices[s].data() + static_cast<size_t>(a) * other,
                               matrices[t].data() + static_cast<size_t>(b) * other, other));
        }
      }
    }
    return result;
  };

  SymmetricBand gram(plan.size, plan.bandwidth);
  for (const auto& meeting : findMeetings(conv, plan.onInput, plan.columnsFirst)) {
    checkpoint();
    for (const auto& [p, s] : meeting) {
      for (const auto& [q, t] : meeting) {
        if (q > p) continue;
        const std::vector<double>& block = product(s, t);
        for (int a = 0; a < side; ++a) {
          for (int b = 0; b < (p == q ? a + 1 : side); ++b)
            gram.at(p * side + a, q * side + b) += block[a * side + b];
        }
      }
    }
  }
  const double error = assemblyError(gram, other + taps);
  return {std::move(gram), error};
}

}  // namespace bulwark
