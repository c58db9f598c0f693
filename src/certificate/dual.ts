/** The value of the dual for given multipliers: what they prove, whatever they are. */
import { type Known, type Region, magnitude } from './facts.js';
import { checked, gamma, lowerSum, normUp, tiny, unit } from './arithmetic.js';
import { coupledMinimum } from './coupling.js';
import type { Multipliers } from './format.js';
import { transposedTimes } from './matrix.js';
import type { Layer } from './network.js';

/**
 * A proven lower bound of `row^T z` over all runs, z the values of node `target`. Walking backwards, every
 * node gets a vector g of exact float64 numbers, whatever they come from, so that always
 *
 *     row^T z >= total + sum over the nodes not yet passed of g^T x:
 *
 * - affine: g^T (A x + b + r) is g^T b + fl(A^T g)^T x, less what |g| loses (facts.ts);
 * - relu: g^T relu(z) >= v^T z + sum_i phi_i - lambda/2 radius^2 for v = fl(slope g), any lambda >= 0, and
 *   phi_i the minimum of g relu(z) - v z + lambda/2 (z - nominal)^2 over z_i's box. Where the distance to
 *   nominal follows from what passes an earlier ReLU, as (a + d)^2 <= (1 + t) a^2 + (1 + 1 / t) d^2 for all t > 0
 *   (Lemma 7), that one pays instead of the radius: m = lambda (1 + t) norm^2 is added to its own lambda, and
 *   -m/2 (relu(z) - relu(nominal))^2 to its phi_i;
 * - several readers of one node: the sum of their g, less u |sum| |x|;
 * - input: the minimum of g^T x over the region. Of an l2 ball, where affine layers alone lead from it to a ReLU,
 *   the input pays for the first such ReLU as a ReLU does, but with the deviation of x itself (coupling.ts).
 */
export function lowerBound(known: Known, target: number, row: Float64Array, by: Multipliers): number {
  const { layers, facts, region } = known;
  const terms: number[] = [];
  const waiting: (Float64Array | undefined)[] = [];
  const give = (to: number, g: Float64Array): void => {
    const before = waiting[to];
    const sum = before ? before.map((value, i) => value + g[i]) : g;
    if (before) magnitude(facts[to]).forEach((x, i) => terms.push(-2 * unit * Math.abs(sum[i]) * x));
    waiting[to] = checked(sum, 'a coefficient');
  };
  /** m of the ReLU layers. */
  const payments = new Float64Array(layers.length);
  // The first ReLU whose ball the input can pay.
  const readsInput = ({ op, from }: Layer): boolean => op === 'relu' && layers[from[0]].affine?.start === 0;
  const coupled = region.kind === 'l2' ? layers.findIndex(readsInput) : -1;
  const pre = coupled < 0 ? 0 : layers[coupled].from[0];
  const drift = (normUp(facts[pre].drift) + known.norms[pre] * normUp(facts[0].drift)) * (1 + gamma(3));
  give(target, row);
  for (let at = target; at >= 0; at--) {
    const g = waiting[at];
    if (!g) continue;
    const { op, from, affine, relu, features } = layers[at];
    g.forEach((value, i) => terms.push(-Math.abs(value) * facts[at].loss[i]));
    if (op === 'input') {
      const apart = -0.5 * payments[0] * region.eps * region.eps * (1 + gamma(3));
      const least = lowerSum([inputMinimum(region, g, by.inputLambda), apart]);
      const together = payments[0]
        ? coupledMinimum(region, g, by.inputLambda, layers[pre].affine!, known.norms[pre], payments[0])
        : -Infinity;
      terms.push(Math.max(least, together));
    }
    for (const input of op === 'add' ? from : []) give(input, g);
    if (affine) {
      g.forEach((value, i) => terms.push(value * affine.bias[i]));
      give(from[0], transposedTimes(affine.matrix, g));
    }
    if (op !== 'relu') continue;
    const { nominal, radius, lower, upper } = facts[from[0]];
    const path = at === coupled ? { relu: 0, norm: known.norms[pre], drift } : facts[from[0]].path;
    const [own, paid] = [by.lambda[relu], payments[at]];
    const v = g.map((value, i) => value * by.slope[features + i]);
    v.forEach((value, i) => terms.push(phi(g[i], value, own, paid, [nominal[i], lower[i], upper[i]])));
    const whole = (own + paid) * (1 + gamma(1));
    const d = path?.drift ?? radius;
    // d / a at the largest a, where nothing is then lost.
    const t = path ? d / (path.norm * facts[path.relu].radius) : Infinity;
    terms.push(-0.5 * whole * d * d * (1 + 1 / t) * (1 + gamma(8)));
    const payment = path ? whole * path.norm * path.norm * (1 + t) : 0;
    if (path) payments[path.relu] = (payments[path.relu] + payment) * (1 + gamma(8));
    checked(payments, 'what a ReLU pays');
    give(from[0], v);
  }
  return lowerSum(terms);
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
  const terms = Array.from(a, (value, i) => value * center[i]);
  const ball = kind === 'l2' ? lowerSum([...terms, -eps * normUp(a) * (1 + gamma(3))]) : -Infinity;
  a.forEach((value, i) => terms.push(phi(2 * price, price - value, lambda, 0, [0, lower[i], upper[i]])));
  terms.push(-(price + 0.5 * lambda * eps) * eps * (1 + gamma(3)));
  return Math.max(ball, lowerSum(terms));
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
 * A lower bound of `c relu(z) - v z + (own + m)/2 (z - centre)^2 - m/2 (relu(z) - relu(centre))^2` over [low,
 * high]. With n = min(centre, 0) and p = max(centre, 0), what depends on the balls is
 *
 *     own/2 (z - centre)^2 - m n z + m/2 n^2 for z >= 0,      (own + m)/2 (z - centre)^2 - m/2 p^2 for z <= 0,
 *
 * where any factor below own + m gives less. So it is the least of two parabolas `q(z) = t z + lambda/2 (z -
 * centre)^2` and what is added to them, for all t within 3 u scale of the given ones.
 *
 * Lemma 6. q is convex, so q(z) >= q(p) + q'(p) (z - p) for any p in an interval, and over the interval
 * the second term is at least -max(q', 0) (p - from) - max(-q', 0) (to - p). Here p is the computed
 * minimiser, but every p is sound. The computed q' is off by less than `slack`: t by 3 u scale, the
 * difference, product and sum by u each; the computed q(p) by less than 16 u of its terms.
 */
function phi(c: number, v: number, own: number, m: number, [centre, low, high]: readonly number[]): number {
  const [n, p] = [Math.min(centre, 0), Math.max(centre, 0)];
  const scale = Math.abs(c) + Math.abs(v) - m * n;
  const parabola = (t: number, lambda: number, from: number, to: number): number => {
    const wanted = lambda > 0 ? centre - t / lambda : t > 0 ? from : to;
    const at = Math.min(Math.max(wanted, from), to);
    const away = at - centre;
    const half = 0.5 * lambda * away * away;
    const derivative = t + lambda * away;
    const slack = 8 * unit * (scale + lambda * Math.abs(away)) + tiny;
    const drop = Math.max(derivative + slack, 0) * (at - from) + Math.max(slack - derivative, 0) * (to - at);
    return t * at + half - 16 * unit * (scale * Math.abs(at) + half) - drop * (1 + 16 * unit);
  };
  const rising = (from: number): number =>
    parabola(c - v - m * n, own, from, high) + 0.5 * m * n * n * (1 - gamma(3));
  const stiff = Math.max(own, (own + m) * (1 - gamma(1)));
  const resting = (to: number): number => parabola(-v, stiff, low, to) - 0.5 * m * p * p * (1 + gamma(3));
  if (low >= 0) return rising(low);
  if (high <= 0) return resting(high);
  return Math.min(rising(0), resting(0));
}
