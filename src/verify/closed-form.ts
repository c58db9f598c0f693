/**
 * Closed-form radii of Theorem 3.1 and Theorem B.4 of the closed-form radius paper: from affine
 * bounds `a^T x + beta <= s(x) <= ã^T x + β̃` on a domain around a centre c, two-sided bounds on the
 * distance from c to the nearest x with s(x) <= 0. Everything is rounded so that the statement holds
 * for exact arithmetic on the given doubles.
 */
import { nextDown, nextUp } from '../problem/rounding.js';
import type { Norm } from '../problem/region.js';

/** An affine function `slope^T x + offset`. */
export interface Affine {
  readonly slope: Float64Array;
  readonly offset: number;
}

const unit = 2 ** -53;

/**
 * The norm dual to an l_p norm: l-infinity for l1, l2 for l2, l1 for l-infinity; the denominator of
 * Theorem B.1 (distance to a half-space). Rounded to nearest at each operation.
 */
export function dualNorm(slope: Float64Array, norm: Norm): number {
  if (norm === 'l1') return slope.reduce((largest, a) => Math.max(largest, Math.abs(a)), 0);
  if (norm === 'linf') return slope.reduce((sum, a) => sum + Math.abs(a), 0);
  return euclidean(slope);
}

/**
 * `r_LB` of Theorem 3.1 / B.4: `max(0, (a^T c + beta) / ||a||_dual)` for a lower affine bound, never
 * above the distance from c to the border of the domain where that bound holds (the paragraph after
 * Proposition B.8: a zero slope with a positive margin says infinity, the border caps it). Every x of
 * the domain closer to c than the result has s(x) > 0.
 *
 * @param border distance, in the same norm, up to which the bound holds around the centre.
 */
export function lowerRadius(bound: Affine, center: Float64Array, norm: Norm, border: number): number {
  const [margin] = marginRange(bound, center);
  if (!(margin > 0)) return 0;
  const slope = dualNorm(bound.slope, norm) * (1 + relativeError(center.length));
  if (slope === 0) return border;
  const radius = nextDown(margin / slope);
  return radius < border ? radius : border;
}

/**
 * `r_UB` of Theorem 3.1 / B.4: `max(0, (ã^T c + β̃) / ||ã||_dual)` for an upper affine bound: some x
 * at that distance has s(x) <= 0. The half-space's nearest point must lie in the domain, since the
 * bound says nothing outside of it; the theorem's "unconditionally" overlooks this. Where it may lie
 * outside, or the slope is zero and the margin positive, nothing is known and the result is Infinity.
 *
 * @param border distance, in the same norm, up to which the bound holds around the centre.
 */
export function upperRadius(bound: Affine, center: Float64Array, norm: Norm, border: number): number {
  const [, margin] = marginRange(bound, center);
  if (margin <= 0) return 0;
  const slope = dualNorm(bound.slope, norm) * (1 - relativeError(center.length));
  const radius = slope > 0 ? nextUp(margin / slope) : Infinity;
  return radius <= border ? radius : Infinity;
}

/** Distance from a point inside a box to its border: the same for every l_p norm. */
export function borderDistance(center: Float64Array, lower: Float64Array, upper: Float64Array): number {
  return center.reduce(
    (nearest, c, i) => Math.min(nearest, nextDown(upper[i] - c), nextDown(c - lower[i])),
    Infinity,
  );
}

/** Scaled by the largest entry, so that squares neither overflow nor vanish. */
function euclidean(values: Float64Array): number {
  const scale = values.reduce((largest, a) => Math.max(largest, Math.abs(a)), 0);
  if (scale === 0) return 0;
  return scale * Math.sqrt(values.reduce((sum, a) => sum + (a / scale) ** 2, 0));
}

/** Enclosure of `slope^T center + offset`, from the standard error bound of a recursive sum. */
function marginRange({ slope, offset }: Affine, center: Float64Array): [number, number] {
  let sum = offset;
  let magnitude = Math.abs(offset);
  for (let i = 0; i < center.length; i += 1) {
    const term = slope[i] * center[i];
    sum += term;
    magnitude += Math.abs(term);
  }
  const error = magnitude * relativeError(center.length);
  return [nextDown(sum - error), nextUp(sum + error)];
}

/** Above `gamma_(n+2) = (n + 2) u / (1 - (n + 2) u)` and the few roundings around it. */
function relativeError(terms: number): number {
  return (terms + 16) * unit * 1.01;
}
