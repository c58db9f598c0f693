/** The value of the dual for given multipliers: what they prove, whatever they are. */
import { checked, gamma, lowerSum, unit } from './arithmetic.js';
import { type Known, magnitude } from './facts.js';
import type { Multipliers } from './format.js';
import { inputMinimum } from './input.js';
import { times } from './matrix.js';

/**
 * A proven lower bound of `row^T z` over all runs, z the values of node `target`. Walking backwards, every
 * node gets a vector g of exact float64 numbers, whatever they come from, so that always
 *
 *     row^T z >= total + sum over the nodes not yet passed of g^T x:
 *
 * - affine: with a chain C x + b, g^T b + fl(C^T g)^T x, less what |g| loses (facts.ts);
 * - relu: g^T relu(z) >= v^T z + sum_i phi_i - lambda/2 radius^2 for v = fl(slope g), any lambda >= 0, and
 *   phi_i the minimum of g relu(z) - v z + lambda/2 (z - nominal)^2 over z_i's box. Where the distance to
 *   nominal is at most a + d, a = norm || relu(y) - relu(nominal y) || of an earlier ReLU (Lemma 7), that one
 *   pays instead of the radius, as (a + d)^2 <= (1 + t) a^2 + (1 + 1 / t) d^2 for all t > 0: m = lambda (1 + t)
 *   norm^2 is added to its own lambda, and -m/2 (relu(z) - relu(nominal))^2 to its phi_i;
 * - several readers of one node: the sum of their g, less u |sum| |x|;
 * - input: the minimum over the region (input.ts), which also pays for the first pre-activation that it leads to by
 *   one chain, as a ReLU does, but with the deviation of x itself.
 */
export function lowerBound(known: Known, target: number, row: Float64Array, by: Multipliers): number {
  const { layers, facts } = known;
  const terms: number[] = [];
  const waiting: (Float64Array | undefined)[] = [];
  const give = (to: number, g: Float64Array): void => {
    const before = waiting[to];
    const sum = before ? before.map((value, i) => value + g[i]) : g;
    if (before) magnitude(facts[to]).forEach((x, i) => terms.push(-2 * unit * Math.abs(sum[i]) * x));
    waiting[to] = checked(sum, 'a coefficient');
  };
  /** m of the layers that pay. */
  const payments = new Float64Array(layers.length);
  const reads = layers.flatMap(({ op, from }) => (op === 'relu' ? from : []));
  const coupled = reads.find((from) => layers[from].affine?.start === 0) ?? -1;
  give(target, row);
  for (let at = target; at >= 0; at--) {
    const g = waiting[at];
    if (!g) continue;
    const { op, from, affine, relu, features } = layers[at];
    g.forEach((value, i) => terms.push(-Math.abs(value) * facts[at].loss[i]));
    if (op === 'input') terms.push(inputMinimum(known, g, by.inputLambda, coupled, payments[0]));
    for (const input of op === 'add' ? from : []) give(input, g);
    if (affine) {
      g.forEach((value, i) => terms.push(value * affine.offset[i]));
      give(affine.start, times(affine.adjoint, g));
    }
    if (op !== 'relu') continue;
    const { nominal, radius, lower, upper, path } = facts[from[0]];
    const payer = layers[path.start].op === 'relu' || from[0] === coupled ? path : undefined;
    const [own, paid] = [by.lambda[relu], payments[at]];
    const v = g.map((value, i) => value * by.slope[features + i]);
    v.forEach((value, i) => terms.push(phi(g[i], value, own, paid, [nominal[i], lower[i], upper[i]])));
    give(from[0], v);
    const whole = (own + paid) * (1 + gamma(1));
    const d = payer?.rest ?? radius;
    // d / a at the largest a, where nothing is then lost.
    const t = payer ? d / (payer.norm * facts[payer.start].radius) : Infinity;
    terms.push(-0.5 * whole * d * d * (1 + 1 / t) * (1 + gamma(8)));
    if (!payer) continue;
    const payment = payments[payer.start] + whole * payer.norm * payer.norm * (1 + t);
    payments[payer.start] = payment * (1 + gamma(8));
    checked(payments, 'what a layer pays');
  }
  return lowerSum(terms);
}

/**
 * A lower bound of `c relu(z) - v z + (own + m)/2 (z - centre)^2 - m/2 (relu(z) - relu(centre))^2` over [low,
 * high]. With n = min(centre, 0) and p = max(centre, 0), what depends on the balls is
 *
 *     own/2 (z - centre)^2 - m n z + m/2 n^2 for z >= 0,      (own + m)/2 (z - centre)^2 - m/2 p^2 for z <= 0,
 *
 * where any factor below own + m gives less. So it is the least of two parabolas t z + lambda/2 (z - centre)^2 and
 * what is added to them.
 *
 * Lemma 6. For any a, the minimum of such a parabola over an interval is at least that of (t - a) z, which is at an
 * end, and that of a z + lambda/2 (z - centre)^2 over all z, which is a centre - a^2 / (2 lambda). The best a makes
 * z = centre - a / lambda the minimiser in the interval; here it is close to that. t is within 3 u scale of the
 * given one, and everything else rounds by less than 8 u of the terms.
 */
export function phi(c: number, v: number, own: number, m: number, box: readonly number[]): number {
  const [centre, low, high] = box;
  const [n, p] = [Math.min(centre, 0), Math.max(centre, 0)];
  const scale = Math.abs(c) + Math.abs(v) - m * n;
  const parabola = (t: number, lambda: number, from: number, to: number): number => {
    const wanted = lambda > 0 ? centre - t / lambda : centre;
    const a = lambda * (centre - Math.min(Math.max(wanted, from), to));
    const half = lambda > 0 ? (a * (a / lambda)) / 2 : 0;
    const size = (scale + Math.abs(a)) * Math.max(Math.abs(from), Math.abs(to)) + Math.abs(a * centre) + half;
    return Math.min((t - a) * from, (t - a) * to) + a * centre - half - 16 * unit * size;
  };
  const stiff = Math.max(own, (own + m) * (1 - gamma(1)));
  const rest = low <= 0 ? parabola(-v, stiff, low, Math.min(high, 0)) : Infinity;
  const rise = high >= 0 ? parabola(c - v - m * n, own, Math.max(low, 0), high) : Infinity;
  return Math.min(rest - 0.5 * m * p * p * (1 + gamma(3)), rise + 0.5 * m * n * n * (1 - gamma(3)));
}
