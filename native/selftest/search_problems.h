// Problems for the tests of branch and bound, and everything that a search of one needs.
#pragma once

#include <vector>

#include "search/complete.h"
#include "selftest/proof_problems.h"

namespace bulwark::selftest {

/// Of the engine's float32, for rows that spread over about 1.
inline constexpr double kRounding = 1e-4;

/// Layers, convolutions or a residual block; every affine node feeds a ReLU or the output, as in networks in
/// use (a proof of two affine nodes in a row is weaker than the engine, which folds them).
std::vector<graph::Node> searchGraph(Random&);

/// row^T output + constant at x, in long double.
double valueAt(const Network&, const Specification&, int image, int row, const std::vector<double>& x);

/// Random rows whose sampled values spread over about 1 and begin at one of `gaps`.
Specification rowsNear(Random&, const Network&, const Region&, int rowCount, const std::vector<double>& gaps,
                       int samples);

/// Everything that a search needs.
struct Problem {
  explicit Problem(const std::vector<graph::Node>&, int threads = 1);

  CompleteResult search(const Region&, const Specification&, const SearchOptions&, const StopCheck& = never);

  /// What is proven of rows, from the leaves of the same search alone.
  CompleteResult proven(const Region&, const Specification&, const SearchOptions&, const StopCheck& = never);

  const proof::ProofNetwork proofNetwork;
  const Network network;
  ThreadPool pool;
  Workers workers;
  const Prepared prepared;

 private:
  static bool never() { return false; }
};

}  // namespace bulwark::selftest
