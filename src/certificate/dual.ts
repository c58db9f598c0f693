/** The value of the dual for given multipliers: what they prove, whatever they are. */
import { type Fact, type Problem, type Region, magnitude } from './facts.js';
import { LowerSum, checked, gamma, normUp, tiny, unit } from './arithmetic.js';
import type { Multipliers } from './format.js';
import { transposedTimes } from './matrix.js';

/**
 * A proven lower bound of `row^T z` over all runs, z the values of node `target`. Walking backwards, every
 * node gets a vector g of exact float64 numbers, whatever they come from, so that always
 *
 *     row^T z >= total + sum over the nodes not yet passed of g^T x:
 *
 * - affine: g^T (A x + b + r) is g^T b + fl(A^T g)^T x, less what |g| loses (facts.ts);
 * - relu: g^T relu(z) >= v^T z + sum_i phi_i - lambda/2 radius^2 for v = fl(slope g), any lambda >= 0, and
 *   phi_i the minimum of g relu(z) - v z + lambda/2 (z - nominal)^2 over z_i's box;
 * - several readers of one node: the sum of their g, less u |sum| |x|;
 * - input: the minimum of g^T x over the region.
 */
export function lowerBound(
  { layers, region }: Problem,
  facts: readonly Fact[],
  target: number,
  row: Float64Array,
  { slope, lambda, inputLambda }: Multipliers,
): number {
  const total = new LowerSum();
  const waiting: (Float64Array | undefined)[] = [];
  const give = (to: number, g: Float64Array): void => {
    const before = waiting[to];
    waiting[to] = checked(before ? before.map((value, i) => value + g[i]) : g, 'a coefficient');
    if (before) magnitude(facts[to]).forEach((x, i) => total.add(-2 * unit * Math.abs(waiting[to]![i]) * x));
  };
  give(target, row);
  for (let at = target; at >= 0; at--) {
    const g = waiting[at];
    if (!g) continue;
    const { op, from, affine, relu, features } = layers[at];
    g.forEach((value, i) => total.add(-Math.abs(value) * facts[at].loss[i]));
    if (op === 'input') {
      total.add(inputMinimum(region, g, inputLambda));
    } else if (op === 'add') {
      for (const input of from) give(input, g);
    } else if (op === 'affine') {
      g.forEach((value, i) => total.add(value * affine!.bias[i]));
      give(from[0], transposedTimes(affine!.matrix, g));
    } else {
      const { nominal, radius, lower, upper } = facts[from[0]];
      const price = lambda[relu];
      const v = g.map((value, i) => value * slope[features + i]);
      v.forEach((value, i) => total.add(phi(g[i], value, price, nominal[i], lower[i], upper[i])));
      total.add(-0.5 * price * radius * radius * (1 + gamma(3)));
      give(from[0], v);
    }
  }
  return total.value();
}

/**
 * A lower bound of `a^T x` over the region: with d = x - centre, for every price >= 0 and lambda >= 0,
 * `a^T centre + sum min over [lower, upper] of (a d + price |d| + lambda/2 d^2) - price eps - lambda/2 eps^2`
 * for a ball of l1 or l2; for that of l2 also `a^T centre - eps ||a||`.
 */
function inputMinimum(region: Region, a: Float64Array, inputLambda: number): number {
  const { kind, center, eps, lower, upper } = region;
  const price = kind === 'l1' ? l1Price(region, a) : 0;
  const lambda = kind === 'l2' ? inputLambda : 0;
  const [ball, box] = [new LowerSum(), new LowerSum()];
  a.forEach((value, i) => {
    ball.add(value * center[i]);
    box.add(value * center[i]);
    box.add(phi(2 * price, price - value, lambda, 0, lower[i], upper[i]));
  });
  box.add(-(price + 0.5 * lambda * eps) * eps * (1 + gamma(3)));
  ball.add(kind === 'l2' ? -eps * normUp(a) * (1 + gamma(3)) : -Infinity);
  return Math.max(ball.value(), box.value());
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
 * A lower bound of `c relu(z) - v z + lambda/2 (z - centre)^2` over [low, high]: of the parabolas
 * `q(z) = t z + lambda/2 (z - centre)^2` on both sides of 0, for all t within 3 u scale of the given ones.
 *
 * Lemma 6. q is convex, so q(z) >= q(p) + q'(p) (z - p) for any p in an interval, and over the interval
 * the second term is at least -max(q', 0) (p - from) - max(-q', 0) (to - p). Here p is the computed
 * minimiser, but every p is sound. The computed q' is off by less than `slack`: t by 3 u scale, the
 * difference, product and sum by u each; the computed q(p) by less than 16 u of its terms.
 */
function phi(c: number, v: number, lambda: number, centre: number, low: number, high: number): number {
  const scale = Math.abs(c) + Math.abs(v);
  const parabola = (t: number, from: number, to: number): number => {
    const wanted = lambda > 0 ? centre - t / lambda : t > 0 ? from : to;
    const p = Math.min(Math.max(wanted, from), to);
    const away = p - centre;
    const half = 0.5 * lambda * away * away;
    const derivative = t + lambda * away;
    const slack = 8 * unit * (scale + lambda * Math.abs(away)) + tiny;
    const drop = Math.max(derivative + slack, 0) * (p - from) + Math.max(slack - derivative, 0) * (to - p);
    return t * p + half - 16 * unit * (scale * Math.abs(p) + half) - drop * (1 + 16 * unit);
  };
  if (low >= 0) return parabola(c - v, low, high);
  if (high <= 0) return parabola(-v, low, high);
  return Math.min(parabola(c - v, 0, high), parabola(-v, low, 0));
}
