/** The term of the input: its minimum over the region, where it may also pay for the ball of the first ReLU. */
import { gamma, largest, lowerSum, normUp, squareSum, tiny } from './arithmetic.js';
import type { Problem, Region } from './facts.js';
import { times } from './matrix.js';

/**
 * A lower bound of `g^T x - m / 2 || C d ||^2 / norm^2` over the region, d = x - centre, C the chain that leads from
 * the input to layer `at` (if m > 0), norm its proven norm.
 *
 * With any vector a, g^T d = (g - a)^T d + a^T d. The first term has its minimum over the box, and the second is at least -radius || a ||, and in an l1 ball -eps max |a|. So a is what the ball pays for: all of g, or g
 * as far as a price goes, to the other side of which the box is cheaper. For an l1 ball with the price p that is from -p
 * to p, and the best p follows from g. For the price lambda of another ball it is from -lambda upper to -lambda lower:
 * a = -lambda d for the minimiser d of g d + lambda / 2 d^2 over the box.
 */
export function inputMinimum(known: Problem, g: Float64Array, lambda: number, at: number, m: number): number {
  const { kind, center, eps, lower, upper, radius } = known.region;
  const price = kind === 'l1' ? l1Price(known.region, g) : lambda;
  const part = g.map((slope, i) => {
    const [low, high] = kind === 'l1' ? [-1, 1] : [lower[i], upper[i]];
    return Math.min(Math.max(slope, -price * high), -price * low);
  });
  const byBox = (a: Float64Array): number[] =>
    Array.from(g, (slope, i) => Math.min((slope - a[i]) * lower[i], (slope - a[i]) * upper[i]));
  const byBall = (a: Float64Array): number =>
    -(kind === 'l1' ? eps * largest(a) : radius * normUp(a)) * (1 + gamma(3));
  const apart = (a: Float64Array): number => lowerSum([...byBox(a), byBall(a)]);
  const a = apart(part) > apart(g) ? part : g;
  const alone = byBall(a) - 0.5 * m * radius * radius * (1 + gamma(3));
  const together = -0.5 * coupled(known, a, at, m);
  // The gamma in lowerSum also pays for the rounding of g - a, and of the two terms of `alone`.
  return lowerSum([...g.map((slope, i) => slope * center[i]), ...byBox(a), Math.max(alone, together)]);
}

/** Where the budget eps of the fractional knapsack runs out: the best price, but any is sound. */
function l1Price({ eps, lower, upper }: Region, g: Float64Array): number {
  let left = eps;
  for (const i of Array.from(g.keys()).sort((j, k) => Math.abs(g[k]) - Math.abs(g[j]))) {
    left -= g[i] > 0 ? -lower[i] : upper[i];
    if (left <= 0) return Math.abs(g[i]);
  }
  return 0;
}

/**
 * At least twice what a^T d - h / 2 || C d ||^2 / norm^2 comes to below 0, for || d || <= radius.
 *
 * Lemma 8. With lambda = h / norm^2, H = lambda C^T C <= h I, and any mu > h,
 *
 *     a^T d - d^T H d / 2 >= - a^T (mu I - H)^-1 a / 2 - mu radius^2 / 2        for || d || <= radius.
 *
 * For any t < mu, with p = 1 / (mu - t), q = 1 / (mu - h) and s <= h, y = s - t: 1 - p y = p (mu - s) >= p / q, so
 *
 *     1 / (mu - s) = p + p^2 y + p^3 y^2 / (1 - p y) <= p + p^2 y + p^2 q y^2,
 *
 * and the same of H instead of s. So a^T (mu I - H)^-1 a <= p m0 + p^2 n1 + p^2 q n2, with m0 = || a ||^2, m1 = a^T H a <=
 * h m0, m2 = || H a ||^2 <= h^2 m0, n1 = m1 - t m0 and n2 = m2 - 2 t m1 + t^2 m0.
 *
 * Rounding. Let e = gamma (1 + || C ||_F / norm) <= 1 / 100, where gamma is more than twice that of Lemma 1. Then fl(C
 * a) is within e/2 norm || a || of C a, and C^T of it, as computed, within e (1 + e) norm^2 || a || of C^T C a. So the
 * computed m0, m1 and m2 are off by less than e m0, 2 e h m0 and 4 e h^2 m0, all roundings included, and what
 * underflows too, because m0 has `tiny` added, norm >= 2^-50 and h >= 2^-100. For 0 <= t <= h, n1 and n2 are then off
 * by less than 2 e (h + t) m0 and 4 e (h + t)^2 m0, and 6 e pays for these and all roundings of a bound's terms.
 */
function coupled({ layers, norms, region }: Problem, a: Float64Array, at: number, h: number): number {
  if (!(h >= 2 ** -100 && norms[at] >= 2 ** -50)) return Infinity;
  const { chain, adjoint } = layers[at].affine!;
  const [norm, radius] = [norms[at], region.radius];
  const e = gamma(Math.max(chain.rows, chain.columns)) * (1 + normUp(chain.value) / norm);
  if (!(e <= 0.01)) return Infinity;
  const lambda = h / norm / norm;
  const there = times(chain, a);
  const [m0, m1] = [squareSum(a) + tiny, lambda * squareSum(there)];
  const m2 = lambda * lambda * squareSum(times(adjoint, there));
  // The best t, that of the Gauss-Radau rule with a node at h; then the best mu, by golden section: the bound is convex.
  const gap = h * m0 - m1;
  const t = gap > 0 ? Math.min(Math.max((h * m1 - m2) / gap, 0), h) : 0;
  const n1 = m1 - t * m0 + 6 * e * (h + t) * m0;
  const n2 = m2 - 2 * t * m1 + t * t * m0 + 6 * e * (h + t) * (h + t) * m0;
  const bound = (mu: number): number => {
    const p = 1 / (mu - t);
    const inverse = p * (m0 * (1 + 6 * e) + p * (n1 + n2 / (mu - h)));
    return mu > h && mu < Infinity ? (inverse + mu * radius * radius) * (1 + gamma(3)) : Infinity;
  };
  let [from, to] = [h, h + Math.sqrt(m0) / radius];
  for (let step = 0; step < 60; step++) {
    const [left, right] = [from + 0.382 * (to - from), to - 0.382 * (to - from)];
    if (bound(left) < bound(right)) to = right;
    else from = left;
  }
  return bound(to);
}
