// Norm bounds against a dense eigenvalue solver: never below the true value, and close to it.
#include "network/spectral.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

#include "network/circular_embedding.h"
#include "network/norms.h"
#include "network/reference.h"
#include "network/symmetric_band.h"
#include "selftest/harness.h"
#include "selftest/network_graphs.h"

namespace bulwark::selftest {
namespace {

using Matrix = std::vector<std::vector<double>>;

Matrix dense(const Affine& affine) {
  Matrix columns;
  std::vector<double> unit(inputSize(affine));
  for (double& entry : unit) {
    entry = 1;
    columns.push_back(reference::applyLinear(affine, unit.data()));
    entry = 0;
  }
  return columns;
}

Matrix gramOf(const Matrix& rows) {
  Matrix gram(rows.size(), std::vector<double>(rows.size()));
  for (size_t i = 0; i < rows.size(); ++i) {
    for (size_t j = 0; j <= i; ++j) {
      double sum = 0;
      for (size_t k = 0; k < rows[i].size(); ++k) sum += rows[i][k] * rows[j][k];
      gram[i][j] = gram[j][i] = sum;
    }
  }
  return gram;
}

Matrix transpose(const Matrix& matrix) {
  Matrix result(matrix[0].size(), std::vector<double>(matrix.size()));
  for (size_t i = 0; i < matrix.size(); ++i) {
    for (size_t j = 0; j < matrix[i].size(); ++j) result[j][i] = matrix[i][j];
  }
  return result;
}

/// Householder's reduction to tridiagonal form, in place; then bisection on Sturm's count of eigenvalues.
double largestEigenvalue(Matrix a) {
  const size_t n = a.size();
  double trace = 0;
  for (size_t i = 0; i < n; ++i) trace += a[i][i];
  for (size_t k = 0; k + 2 < n; ++k) {
    double norm = 0;
    for (size_t i = k + 1; i < n; ++i) norm = std::hypot(norm, a[i][k]);
    if (norm <= 1e-20 * trace) {  // squares of what is left would underflow
      a[k + 1][k] = 0;
      continue;
    }
    std::vector<double> v(n), p(n);
    for (size_t i = k + 1; i < n; ++i) v[i] = a[i][k];
    v[k + 1] += std::copysign(norm, v[k + 1]);
    double square = 0, inner = 0;
    for (const double value : v) square += value * value;
    for (size_t i = k; i < n; ++i) {
      for (size_t j = k + 1; j < n; ++j) p[i] += 2 / square * a[i][j] * v[j];
    }
    for (size_t i = k + 1; i < n; ++i) inner += p[i] * v[i] / square;
    for (size_t i = k; i < n; ++i) p[i] -= inner * v[i];
    for (size_t i = k; i < n; ++i) {
      for (size_t j = k; j < n; ++j) a[i][j] -= v[i] * p[j] + p[i] * v[j];
    }
  }
  double low = 0, high = 0;
  for (size_t i = 0; i < n; ++i) {
    const double beside = (i > 0 ? std::fabs(a[i][i - 1]) : 0) + (i + 1 < n ? std::fabs(a[i][i + 1]) : 0);
    high = std::max(high, a[i][i] + beside);
  }
  for (int step = 0; step < 100; ++step) {
    const double middle = 0.5 * (low + high);
    bool above = true;
    double pivot = 1;
    for (size_t i = 0; above && i < n; ++i) {
      pivot = middle - a[i][i] - (i > 0 ? a[i][i - 1] * a[i][i - 1] / pivot : 0);
      above = pivot > 0;
    }
    (above ? high : low) = middle;
  }
  return low;
}

double trueNorm(const Affine& affine) {
  const Matrix columns = dense(affine);
  if (columns.size() <= columns[0].size()) return std::sqrt(largestEigenvalue(gramOf(columns)));
  return std::sqrt(largestEigenvalue(gramOf(transpose(columns))));
}

Linear linear(int out, int in, std::vector<double> weight) {
  return {in, out, std::move(weight), std::vector<double>(out)};
}

/// Smooth ones have a dominant mean, as trained filters do.
Conv randomLayer(Random& random, bool grouped) {
  const int group = grouped && pick(random, 0, 1) ? pick(random, 2, 3) : 1;
  Conv conv =
      randomConv(random, group,
                 {.kernel = 4, .stride = 3, .dilation = 2, .pad = 3, .size = 9, .inputs = 3, .outputs = 4});
  if (pick(random, 0, 1)) {
    for (double& weight : conv.weight) weight += 0.5;
  }
  return conv;
}

void compare(Context& context, const char* what, double bound, double truth, double tolerance) {
  context.check(bound >= truth * (1 - 1e-12), std::string(what) + ": bound " + std::to_string(bound) +
                                                  " is below the true norm " + std::to_string(truth));
  context.error(what, truth == 0 ? bound : bound / truth - 1, tolerance);
}

const Test randomLayers("spectral norm bound of 200 random layers", [](Context& context) {
  Random& random = context.random;
  for (int i = 0; i < 60; ++i) {
    const int out = pick(random, 1, 90), in = pick(random, 1, 90);
    const Linear layer = linear(out, in, normals(random, out * in));
    compare(context, "matrix", spectralNormBound(layer), trueNorm(layer), 1e-6);
  }
  for (int i = 0; i < 140; ++i) {
    const Conv layer = randomLayer(random, true);
    compare(context, "convolution", spectralNormBound(layer), trueNorm(layer), 1e-6);
  }
});

const Test embedding("spectral norm bound by circular embedding", [](Context& context) {
  for (int i = 0; i < 100; ++i) {
    Conv layer = randomLayer(context.random, false);
    double largest = 0;
    for (const double weight : layer.weight) largest = std::max(largest, std::fabs(weight));
    for (double& weight : layer.weight) weight /= largest;
    const double truth = trueNorm(layer);
    if (truth < 0.5) continue;  // the largest weight only ever meets padding
    compare(context, "any map", circularNormBound(layer, serialFor), truth, INFINITY);
  }
  // Maps as small as 12 x 12 already cost little; larger ones, for which it is meant, less.
  for (const int stride : {1, 2}) {
    GraphBuilder graph({3, 12 * stride, 12 * stride});
    graph.conv(context.random, 0, 4, {3, 3}, {stride, stride}, {1, 1}, {1, 1, 1, 1}, 1);
    Conv layer = std::get<Conv>(lower(graph.nodes).affines[0]);
    for (double& weight : layer.weight) weight = std::min(std::fabs(weight), 1.0);
    layer.weight[0] = 1;
    compare(context, "12 x 12", circularNormBound(layer, serialFor), trueNorm(layer), 2e-2);
  }
});

const Test extremes("spectral norm bound of extreme layers", [](Context& context) {
  Random& random = context.random;
  const std::vector<double> weight = normals(random, 20 * 30);
  const Linear plain = linear(20, 30, weight);
  const double norm = spectralNormBound(plain);
  for (const double factor : {1e-305, 1e-160, 1e160, 1e300}) {
    Linear scaled = plain;
    for (double& value : scaled.weight) value *= factor;
    compare(context, "tiny and huge weights", spectralNormBound(scaled) / factor, norm * (1 - 1e-9), 1e-6);
  }
  compare(context, "1 x 1", spectralNormBound(linear(1, 1, {-0.3})), 0.3, 1e-6);
  context.check(spectralNormBound(linear(3, 2, std::vector<double>(6))) == 0, "the zero matrix has norm 0");
  const std::vector<double> u = normals(random, 40), v = normals(random, 25);
  std::vector<double> product;
  double squareU = 0, squareV = 0;
  for (const double a : u) {
    squareU += a * a;
    for (const double b : v) product.push_back(a * b);
  }
  for (const double b : v) squareV += b * b;
  compare(context, "rank 1", spectralNormBound(linear(40, 25, product)), std::sqrt(squareU * squareV), 1e-6);
  const Linear subnormal = linear(1, 2, {std::numeric_limits<double>::denorm_min(), 0});
  context.check(spectralNormBound(subnormal) >= std::numeric_limits<double>::denorm_min(),
                "subnormal weights");

  compare(context, "scale", spectralNormBound(Scale{{1, -3, 2}, {9, 9, 9}}), 3, 1e-15);
  compare(context, "index", spectralNormBound(Index{3, {0, 2, 2, 2, -1, 1}}), std::sqrt(3.0), 1e-15);
  context.check(spectralNormBound(Index{3, {-1, -1}}) == 0, "an index that reads nothing has norm 0");

  for (const double bad : {std::nan(""), static_cast<double>(INFINITY)}) {
    const std::vector<Affine> layers = {linear(1, 2, {1, bad}), Scale{{bad}, {0}}};
    for (const Affine& layer : layers) {
      try {
        spectralNormBound(layer);
        context.check(false, "a weight that is not finite was accepted");
      } catch (const std::invalid_argument&) {
      }
    }
  }
});

const Test rows("row norms and maxima", [](Context& context) {
  Random& random = context.random;
  for (int i = 0; i < 100; ++i) {
    Affine layer = linear(7, 5, normals(random, 35, std::exp(100 * normal(random))));
    if (i % 4 == 1) layer = Scale{normals(random, 6), normals(random, 6)};
    if (i % 4 == 2) layer = Index{4, {3, -1, 0, 0, 2}};
    if (i % 4 == 3) layer = randomLayer(random, true);
    const Matrix matrix = transpose(dense(layer));
    const std::vector<double> norms = rowNorms(layer), maxima = rowMaxima(layer);
    for (size_t row = 0; row < matrix.size(); ++row) {
      double norm = 0, most = 0;
      for (const double entry : matrix[row]) {
        norm = std::hypot(norm, entry);
        most = std::max(most, std::fabs(entry));
      }
      compare(context, "row norm", norms[row], norm, 1e-12);
      context.check(maxima[row] == most, "row maximum");
    }
  }
});

const Test band("band matrices: products and definiteness", [](Context& context) {
  for (int i = 0; i < 40; ++i) {
    const int size = pick(context.random, 1, 70), bandwidth = pick(context.random, 0, size);
    SymmetricBand matrix(size, bandwidth);
    Matrix full(size, std::vector<double>(size));
    double shift = 0;
    for (int row = 0; row < size; ++row) {
      for (int column = std::max(0, row - bandwidth); column <= row; ++column) {
        matrix.at(row, column) = full[row][column] = full[column][row] = normal(context.random);
      }
      shift += 2 * std::fabs(full[row][row]) + 10;
    }
    for (int row = 0; row < size; ++row) {
      matrix.at(row, row) += shift;
      full[row][row] += shift;
    }
    std::vector<double> x = normals(context.random, matrix.paddedSize()), y(x.size());
    matrix.multiply(x.data(), y.data());
    for (int row = 0; row < size; ++row) {
      double sum = 0;
      for (int column = 0; column < size; ++column) sum += full[row][column] * x[column];
      context.error("product", std::fabs(y[row] - sum) / shift, 1e-12);
    }
    const double largest = largestEigenvalue(full);
    context.check(SymmetricBand(matrix).factorShifted(largest * (1 + 1e-10)),
                  "definite above the eigenvalue");
    context.check(!SymmetricBand(matrix).factorShifted(largest * (1 - 1e-10)),
                  "indefinite below the eigenvalue");
  }
});

}  // namespace
}  // namespace bulwark::selftest
