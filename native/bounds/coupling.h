// The input's term when it also pays the ball of the first ReLU layer. With dz = C dx there, C the affine map
// in between, lambda / 2 ||dz||^2 need not be paid by the worst that can arrive, lambda / 2 ||C||^2 eps^2:
// it is a function of the same dx that the linear term a^T dx moves, and the direction that is worst for the
// one is seldom worst for the other. So the input's term is
//     min over ||dx|| <= eps of  a^T dx - 1/2 dx^T H dx,        H = lambda C^T C,
//   >= max over mu > h of  - 1/2 a^T (mu I - H)^-1 a - 1/2 mu eps^2,        h >= ||H||.
// No inverse is needed: for every t < mu, with alpha = 1 / (mu - t) and beta = 1 / (mu - h),
//     1 / (mu - s) <= alpha + alpha^2 (s - t) + alpha^2 beta (s - t)^2        for all s <= h
// (write s = t + x: 1 / (mu - s) = alpha (1 + alpha x + alpha^2 x^2 / (1 - alpha x)), and alpha / (1 - alpha
// x) <= beta), so the same holds between the matrices, and a^T (mu I - H)^-1 a is at most what the moments
// ||a||^2, a^T H a = lambda ||C a||^2 and ||H a||^2 give. The best t makes it the Gauss-Radau rule with a
// node at h (Golub and Meurant, Matrices, Moments and Quadrature, 2010).
//
// Where the ball is clipped to a box, the multipliers of the box are taken off a first: with dx the minimiser
// of a^T x + lambda_0 / 2 x^2 over the box, a = (a + lambda_0 dx) + (- lambda_0 dx), and the first part is
// smallest at dx. For a whole ball the first part is 0. So either way the rest is - lambda_0 dx.
#pragma once

namespace bulwark {

/// One row, as the ball and the box alone leave it: `lambda0` the ball's multiplier, dx the minimiser.
struct InputRow {
  double value;         // of the term without H
  double eps, lambda0;  // lambda0 of a whole ball: ||a|| / eps
  double moved2;        // ||dx||^2
  double arrived2;      // ||C dx||^2
  double returned2;     // ||C^T C dx||^2
  double lambda;        // of the layer's ball, with all that it pays
  double norm2;         // at least ||C||^2
};

struct CoupledRow {
  double value;          // of the term with H
  double allowed;        // - 2 d(value) / d(lambda): ||dz||^2 at which lambda stays as it is
  double keep, deflect;  // where the term is smallest, nearly: keep dx + deflect C^T C dx
};

CoupledRow coupled(const InputRow&);

}  // namespace bulwark
