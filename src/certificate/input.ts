/** The term of the input: its minimum over the region, where it may also pay for the ball of the first ReLU. */
import { gamma, largest, lowerSum, normUp, tiny } from './arithmetic.js';
import type { Region } from './facts.js';
import { type Matrix, transposedTimes, times } from './matrix.js';

/** What is taken off: payment / 2 || C d ||^2 / norm^2, d what the input deviates by, norm >= || C ||. */
export interface Paid {
  readonly chain: Matrix;
  readonly norm: number;
  readonly payment: number;
}

/**
 * A lower bound of `g^T x`, less what is paid, over the region.
 *
 * With d = x - centre and any vector a, g^T d = (g - a)^T d + a^T d. The first term has its minimum over the box, and
 * the second is at least -radius || a ||, and in an l1 ball -eps max |a|. So a is what the ball pays for: all of g, or
 * for a price lambda only what the minimum of g d + lambda / 2 d^2 over the box leaves, -lambda d where it is at an
 * end; in an l1 ball g as far as its best price.
 */
export function inputMinimum(region: Region, g: Float64Array, lambda: number, paid?: Paid): number {
  const { kind, center, eps, lower, upper, radius } = region;
  const price = kind === 'l1' ? l1Price(region, g) : 0;
  const cut = g.map((slope, i) => {
    if (kind === 'l1') return Math.min(Math.max(slope, -price), price);
    const wanted = -slope / Math.max(lambda, tiny);
    const at = Math.min(Math.max(wanted, lower[i]), upper[i]);
    return at === wanted ? slope : -lambda * at;
  });
  const byBox = (a: Float64Array): number[] =>
    Array.from(g, (slope, i) => Math.min((slope - a[i]) * lower[i], (slope - a[i]) * upper[i]));
  const byBall = (a: Float64Array): number =>
    -(kind === 'l1' ? eps * largest(a) : radius * normUp(a)) * (1 + gamma(3));
  const [all, some] = [g, cut].map((a) => lowerSum([...byBox(a), byBall(a)]));
  const a = some > all ? cut : g;
  const apart = byBall(a) - 0.5 * (paid?.payment ?? 0) * radius * radius * (1 + gamma(3));
  const together = paid ? -0.5 * coupled(a, radius, paid) : -Infinity;
  // The gamma in lowerSum also pays for the rounding of g - a, and of the two terms of `apart`.
  return lowerSum([...g.map((slope, i) => slope * center[i]), ...byBox(a), Math.max(apart, together)]);
}

/** Where the budget eps of the fractional knapsack runs out: the best price, but any is sound. */
function l1Price({ eps, lower, upper }: Region, a: Float64Array): number {
  let left = eps;
  for (const i of Array.from(a.keys()).sort((j, k) => Math.abs(a[k]) - Math.abs(a[j]))) {
    left -= a[i] > 0 ? -lower[i] : upper[i];
    if (left <= 0) return Math.abs(a[i]);
  }
  return 0;
}

/**
 * At least twice what a^T d - payment / 2 || C d ||^2 / norm^2 comes to below 0, for || d || <= radius.
 *
 * Lemma 8. With lambda = payment / norm^2, H = lambda C^T C <= h I for h = payment, and any mu > h,
 *
 *     a^T d - d^T H d / 2 >= - a^T (mu I - H)^-1 a / 2 - mu radius^2 / 2        for || d || <= radius.
 *
 * For any t < mu, with p = 1 / (mu - t), q = 1 / (mu - h) and s <= h, y = s - t: 1 - p y = p (mu - s) >= p / q, so
 *
 *     1 / (mu - s) = p + p^2 y + p^3 y^2 / (1 - p y) <= p + p^2 y + p^2 q y^2,
 *
 * and the same of H instead of s. So a^T (mu I - H)^-1 a <= c0 m0 + c1 m1 + p^2 q m2 for c0 = p - t p^2 + t^2 p^2 q
 * and c1 = p^2 - 2 t p^2 q, with m0 = || a ||^2, m1 = a^T H a <= h m0 and m2 = || H a ||^2 <= h^2 m0.
 *
 * Rounding. Let e = gamma (1 + || C ||_F / norm) <= 1 / 100, where gamma is more than twice that of Lemma 1. Then fl(C
 * a) is within e/2 norm || a || of C a, and C^T of it, as computed, within e (1 + e) norm^2 || a || of C^T C a. So the
 * computed m0, m1 and m2 are off by less than e m0, 2 e h m0 and 4 e h^2 m0, all roundings included, and what
 * underflows too, because m0 has `tiny` added, norm >= 2^-50 and h >= 2^-100. The bound has no product of 16
 * roundings, less than e. In all it is off by less than 6 e times its terms' absolute values, with h m0 and h^2 m0
 * for m1 and m2.
 */
function coupled(a: Float64Array, radius: number, { chain, norm, payment: h }: Paid): number {
  const e = gamma(Math.max(chain.rows, chain.columns)) * (1 + normUp(chain.value) / norm);
  if (!(e <= 0.01 && norm >= 2 ** -50 && h >= 2 ** -100)) return Infinity;
  const squares = (x: Float64Array): number => x.reduce((sum, value) => sum + value * value, 0);
  const lambda = h / norm / norm;
  const there = times(chain, a);
  const [m0, m1] = [squares(a) + tiny, lambda * squares(there)];
  const m2 = lambda * lambda * squares(transposedTimes(chain, there));
  // The best t, that of the Gauss-Radau rule with a node at h; then the best mu, of a function that is convex.
  const gap = h * m0 - m1;
  const t = gap > 0 ? Math.min(Math.max((h * m1 - m2) / gap, 0), h) : 0;
  const bound = (mu: number): number => {
    if (!(mu > h && mu < Infinity)) return Infinity;
    const p = 1 / (mu - t);
    const bend = (p * p) / (mu - h);
    const [c0, c1] = [p - t * p * p + t * t * bend, p * p - 2 * t * bend];
    const size = (p + (t + h) * p * p + (t + h) * (t + h) * bend) * m0;
    return (c0 * m0 + c1 * m1 + bend * m2 + 6 * e * size + mu * radius * radius) * (1 + gamma(3));
  };
  let [from, to] = [h, h + Math.sqrt(m0) / radius];
  for (let step = 0; step < 60; step++) {
    const [left, right] = [from + 0.382 * (to - from), to - 0.382 * (to - from)];
    if (bound(left) < bound(right)) to = right;
    else from = left;
  }
  return bound(to);
}
