/**
 * What the checker derives about one image: facts that hold for every run of the network on an input of the
 * region. A run is exact at level `real`; at level `float32` it is any run in IEEE float32, its sums in any
 * order, with or without fused multiply-add, with subnormal numbers kept or flushed to zero.
 *
 * The values of an affine layer are C x + b up to its vector `loss`, x the values where its chain begins, C and
 * b the chain as the checker has it. Let X bound |x| and the nominal x, and M = |C| X + |b|. `loss` has 2 gamma M
 * that the values do not need: they pay for every float64 sum that the checker makes of numbers up to X, which
 * are the nominal run and interval arithmetic here (less than one gamma M together, Lemma 1) and coefficients
 * that walk backwards, |C^T g - fl(C^T g)|^T X <= gamma |g|^T |C| X; and for rounding where the chain goes on.
 *
 * Lemma 4. Let the next affine layer, A and a, read these values z, and lose r. Then A z + a + r is within
 * |A| loss + |r| + gamma |a| of fl(A C) x + fl(A b + a): by |A| (loss - 2 gamma M) because of z, and by gamma
 * (|A| |C| X + |A| |b| + |a|) <= gamma (|A| M + |a|) because of the composition.
 *
 * Lemma 5. A float32 sum of n <= 10^5 products and a bias is off by at most 6e-8 (n + 4) m, m the sum of their
 * absolute values (u = 2^-24, the rounding of the constants included; a scale may be (x - mean) / std), and by
 * less than 2^-124 for each term (underflow or flushing of a product or a factor, times its partner), provided
 * m stays below 2^125, so that nothing overflows. A ReLU or an input is one term.
 *
 * Lemma 7. If affine layers alone, or none, lead from x, the values of another layer, to z, then || z - nominal || <=
 * norm || x - nominal || + rest: norm is the product of their norms, and rest what they lose, each times the
 * norms behind it. What the layer of x loses is a part of rest too, and not of x here: relu(y), or the input.
 */
import { checked, demand, gamma, largest, normUp, tiny } from './arithmetic.js';
import type { Assurance, Ball } from './format.js';
import { perColumn, times } from './matrix.js';
import type { Affine, Layer } from './network.js';

/** What the facts of a region follow from. */
export interface Problem {
  readonly layers: readonly Layer[];
  /** Proven, one for each layer. */
  readonly norms: readonly number[];
  readonly region: Region;
  readonly assurance: Assurance;
}

/** A problem, and the facts of its layers, in order. */
export type Known = Problem & { readonly facts: readonly Fact[] };

/** A ball around the centre, and the box of x - centre; || x - centre ||_2 is at most `radius`. */
export interface Region extends Pick<Ball, 'kind' | 'eps'> {
  readonly center: Float64Array;
  readonly lower: Float64Array;
  readonly upper: Float64Array;
  readonly radius: number;
}

/** Values near those of the run that starts at the centre (exact numbers, whatever they come from), and a box. */
interface Box {
  readonly nominal: Float64Array;
  readonly lower: Float64Array;
  readonly upper: Float64Array;
}

/** What is known of the values x of one layer. */
export interface Fact extends Box {
  /** || x - nominal ||_2 is at most so much; for the input of an l1 ball also the sum of absolute values. */
  readonly radius: number;
  /** See above: what each unit of a coefficient loses. */
  readonly loss: Float64Array;
  /** Lemma 7: affine layers alone lead here from layer `start`. */
  readonly path: { readonly start: number; readonly norm: number; readonly rest: number };
}

export function regionOf({ kind, eps, clip }: Ball, center: Float64Array): Region {
  const down = (x: number): number => x - gamma(1) * Math.abs(x);
  const [low, high] = clip ?? [-Infinity, Infinity];
  const outside = center.findIndex((x) => !(x >= low && x <= high));
  demand(outside < 0, `the centre is outside the clip range at feature ${outside}`);
  const lower = center.map((x) => Math.max(-eps, down(low - x)));
  const upper = center.map((x) => Math.min(eps, -down(x - high)));
  const reach = normUp(lower.map((x, i) => Math.max(-x, upper[i])));
  return { kind, eps, center, lower, upper, radius: kind === 'linf' ? reach : Math.min(reach, eps) };
}

/** An upper bound of what a layer's values, and the nominal ones, come to. */
export function magnitude({ nominal, lower, upper }: Box): Float64Array {
  return nominal.map((x, i) => Math.max(Math.abs(x), Math.abs(lower[i]), Math.abs(upper[i])));
}

const sum = (x: Float64Array, y: Float64Array): Float64Array => x.map((value, i) => value + y[i]);

/** The fact of layer `at`, from those before it. */
export function derive(known: Known, at: number): Fact {
  const { nominal, loss, path, ...fact } = withoutLoss(known, at);
  const [lower, upper] = [fact.lower.map((x, i) => x - loss[i]), sum(fact.upper, loss)];
  for (const x of [nominal, lower, upper, loss]) checked(x, `what is known of node ${known.layers[at].node}`);
  const [apart, up] = [normUp(loss), 1 + gamma(2)];
  const radius = (fact.radius + apart) * up;
  return { nominal, lower, upper, loss, radius, path: { ...path, rest: (path.rest + apart) * up } };
}

/** The same, where `loss` has not yet been added to box, ball and path. Its gamma pays for their rounding. */
function withoutLoss(known: Known, at: number): Fact {
  const { op, from, affine } = known.layers[at];
  const [a, b] = from.map((input) => known.facts[input]);
  if (affine) return affineFact(known, affine, a, known.norms[at]);
  const path = { start: at, norm: 1, rest: 0 };
  if (op === 'input') {
    const { kind, eps, center: nominal, radius, ...box } = known.region;
    const [lower, upper] = [sum(nominal, box.lower), sum(nominal, box.upper)];
    const loss = lossOf(known, magnitude({ nominal, lower, upper }));
    const l1 = loss.reduce((total, x) => total + x, eps) * (1 + gamma(loss.length));
    return { nominal, lower, upper, radius: kind === 'l1' ? l1 : radius, loss, path };
  }
  // A sum of two, or a ReLU, which does not round.
  const of = (x: Float64Array, y?: Float64Array): Float64Array =>
    y ? sum(x, y) : x.map((z) => Math.max(z, 0));
  const [lower, upper] = [of(a.lower, b?.lower), of(a.upper, b?.upper)];
  const box = { nominal: of(a.nominal, b?.nominal), lower, upper };
  const loss = lossOf(known, b ? magnitude(box) : new Float64Array(lower.length));
  return { ...box, radius: a.radius + (b?.radius ?? 0), loss, path };
}

/**
 * The box is that of interval arithmetic, and in each row that of ||row||_* || x - nominal || (the dual norm of
 * l1 is the maximum), x the values where the chain begins.
 *
 * @param before of the layer that is read.
 */
function affineFact(known: Known, affine: Affine, before: Fact, norm: number): Fact {
  const { matrix, bias, width, start, chain, adjoint, offset, sizes } = affine;
  const read = known.facts[start];
  const g = gamma(matrix.rows + matrix.columns + chain.columns);
  const up = 1 + g;
  const x = magnitude(before);
  const sums = times(sizes[0], x, bias.map(Math.abs));
  const own = lossOf(known, sums, g, width, largest(x) + largest(matrix.value));
  const all = chain === matrix ? sums : times(sizes[1], magnitude(read), offset.map(Math.abs));
  const inherited = chain === matrix ? new Float64Array(matrix.columns) : before.loss;
  const loss = times(sizes[0], inherited, own).map((lost, i) => (lost + 2 * g * all[i]) * up);

  const nominal = times(chain, read.nominal, offset);
  const half = read.upper.map((high, i) => (high - read.lower[i]) / 2);
  const middle = times(chain, sum(read.lower, half), offset);
  const reach = times(sizes[1], half);
  const l1 = known.region.kind === 'l1' && start === 0;
  const ball = perColumn(adjoint, l1 ? largest : normUp).map((length) => length * read.radius * up);
  const lower = nominal.map((n, i) => Math.max(middle[i] - reach[i], n - ball[i]));
  const upper = nominal.map((n, i) => Math.min(middle[i] + reach[i], n + ball[i]));
  const path = { ...read.path, norm: norm * read.path.norm * up, rest: norm * read.path.rest * up };
  return { nominal, lower, upper, radius: norm * read.radius, loss, path };
}

/**
 * The `loss` of sums whose terms' absolute values come to `m`: of `n` products and a constant in float32
 * inference, neither of a product's factors above `factor`.
 *
 * @throws CertificateError where overflow cannot be excluded.
 */
function lossOf({ assurance }: Problem, m: Float64Array, g = gamma(1), n = 0, factor = 0): Float64Array {
  const real = assurance === 'real';
  const up = 1 + g;
  const most = Math.max(largest(m), factor) * up;
  demand(real || (n <= 1e5 && most < 2 ** 125), 'float32 overflow cannot be excluded');
  const [rate, small] = real ? [0, 0] : [6e-8 * (n + 4), (n + 1) * 2 ** -124 * (1 + factor)];
  return m.map((total) => ((g + rate) * total + small) * up + tiny);
}
