// What affine lower bounds of a term's rows say about its counterexamples in a box. All rows are <= 0 at a
// counterexample, hence every affine lower bound and every nonnegative combination of them is too. Each
// conclusion allows for the rounding of its own evaluation.
#pragma once

#include <span>
#include <vector>

namespace bulwark {

struct Box {
  std::vector<double> lower, upper;
};

/// slope^T x + offset, of exactly these numbers.
struct AffineBound {
  std::vector<double> slope;
  double offset = 0;
};

/// The corner of the box where the function is smallest.
std::vector<double> minimiser(const AffineBound&, const Box&);

/// The convex combination of the rows whose minimum on the box is largest, approximately: for any weights a
/// positive minimum rules the term out, so only quality depends on finding the best ones.
AffineBound bestCombination(std::span<const AffineBound> rows, const Box&);

/// Cuts the box to where all rows and their combination can be <= 0: with m the minimum on the box, slope_i
/// (x_i - end_i) <= -m where end_i is the end at which the minimum lies. False where nothing is left, that is
/// where the term is impossible on the box.
bool clip(std::span<const AffineBound> rows, const AffineBound& combination, Box&);

/// Grows the box to hold the other.
void enclose(Box&, const Box& other);

}  // namespace bulwark
