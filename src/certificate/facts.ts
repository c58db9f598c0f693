/**
 * What the checker derives about one image: facts that hold for every run of the network on an input of the
 * region. A run is exact at level `real`; at level `float32` it is any run in IEEE float32, its sums in any
 * order, with or without fused multiply-add, with subnormal numbers kept or flushed to zero.
 *
 * Write y = A x + b + r for an affine layer, where r is what float32 loses, 0 at level `real`. With X an upper
 * bound of |x| and m = |A| X + |b|, each layer has a vector `loss`, gamma m + max |r|, that pays for r and for
 * the rounding of every float64 sum that the checker makes of numbers up to X: for the nominal run here
 * (Lemma 1), and for coefficients that walk backwards: |A^T g - fl(A^T g)| <= gamma |A|^T |g|, and
 * |A|^T |g| X = |g| (|A| X). The values of other layers are those of exact arithmetic within their `loss`.
 *
 * Lemma 5. A float32 sum of n <= 10^5 products and a bias is off by at most 6e-8 (n + 4) m (u = 2^-24, the
 * rounding of the constants included; a scale may be (x - mean) / std), and by less than 2^-124 for each
 * term (underflow or flushing of a product or a factor, times its partner), provided m stays below 2^125,
 * so that nothing overflows. A ReLU or an input is one term.
 *
 * Lemma 7. If affine layers alone lead from a ReLU, with values x, to z, then || z - nominal || <= a + d for
 * a = norm || relu(y) - relu(nominal y) ||, y what the ReLU takes, norm the product of their norms, and d what
 * the ReLU's loss and their drifts come to, each times the norms behind it.
 */
import { checked, demand, gamma, largest, normUp, tiny } from './arithmetic.js';
import type { Assurance, Ball } from './format.js';
import { foldRows, magnitudes, times } from './matrix.js';
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

/** A ball around the centre, and the interval of x - centre in which the clip range leaves each feature. */
export interface Region extends Ball {
  readonly center: Float64Array;
  readonly lower: Float64Array;
  readonly upper: Float64Array;
}

/** What is known of the values x of one layer. */
export interface Fact {
  /** Values near those of the run that starts at the centre; exact numbers, whatever they come from. */
  readonly nominal: Float64Array;
  /** || x - nominal ||_2 is at most so much; for the input of an l1 ball also the sum of absolute values. */
  readonly radius: number;
  readonly lower: Float64Array;
  readonly upper: Float64Array;
  /** See above: what each unit of a coefficient loses. */
  readonly loss: Float64Array;
  /** |x - nominal - C (x_s - nominal_s)| is at most so much, C the chain from layer s; else the same as `loss`. */
  readonly drift: Float64Array;
  /** Where affine layers alone lead here from a ReLU: norm and d of Lemma 7. */
  readonly path?: { readonly relu: number; readonly norm: number; readonly drift: number };
}

export function regionOf({ kind, eps, clip }: Ball, center: Float64Array): Region {
  const down = (x: number): number => x - gamma(1) * Math.abs(x);
  const [low, high] = clip ?? [-Infinity, Infinity];
  const outside = center.findIndex((x) => !(x >= low && x <= high));
  demand(outside < 0, `the centre is outside the clip range at feature ${outside}`);
  const lower = center.map((x) => Math.max(-eps, down(low - x)));
  const upper = center.map((x) => Math.min(eps, -down(x - high)));
  return { kind, eps, clip, center, lower, upper };
}

/** An upper bound of what a layer's values, and the nominal ones, come to. */
export function magnitude({ nominal, lower, upper }: Fact): Float64Array {
  return nominal.map((x, i) => Math.max(Math.abs(x), Math.abs(lower[i]), Math.abs(upper[i])));
}

/** The fact of layer `at`, from those before it. */
export function derive(known: Known, at: number): Fact {
  const fact = factOf(known, at);
  const { nominal, loss, drift } = fact;
  const lower = fact.lower.map((x, i) => x - drift[i]);
  const upper = fact.upper.map((x, i) => x + drift[i]);
  const what = `what is known of node ${known.layers[at].node}`;
  for (const x of [nominal, lower, upper, loss, drift]) checked(x, what);
  return { ...fact, lower, upper, radius: (fact.radius + normUp(drift)) * (1 + gamma(1)) };
}

/** The same, where `drift` has not yet been added to box and ball. */
function factOf(known: Known, at: number): Fact {
  const { op, from, affine } = known.layers[at];
  const [a, b] = from.map((input) => known.facts[input]);
  if (affine) return affineFact(known, affine, a, known.norms[at]);
  if (op === 'relu') {
    const [nominal, lower, upper] = [a.nominal, a.lower, a.upper].map((x) => x.map((z) => Math.max(z, 0)));
    const loss = lossOf(known, new Float64Array(nominal.length));
    const path = { relu: at, norm: 1, drift: normUp(loss) };
    return { nominal, lower, upper, radius: a.radius, loss, drift: loss, path };
  }
  // The gamma in `loss` also pays for the rounding of the box's ends.
  const add = (x: Float64Array, y: Float64Array): Float64Array => x.map((value, i) => value + y[i]);
  if (op === 'add') {
    const loss = lossOf(known, add(magnitude(a), magnitude(b)));
    const [nominal, lower, upper] = [add(a.nominal, b.nominal), add(a.lower, b.lower), add(a.upper, b.upper)];
    return { nominal, lower, upper, radius: a.radius + b.radius, loss, drift: loss };
  }
  const { kind, eps, center, lower, upper } = known.region;
  const reach = lower.map((low, i) => Math.max(-low, upper[i]));
  const loss = lossOf(known, add(center.map(Math.abs), reach));
  const l1 = loss.reduce((sum, x) => sum + x, eps) * (1 + gamma(loss.length));
  const radius = kind === 'l1' ? l1 : Math.min(normUp(reach), kind === 'l2' ? eps : Infinity);
  return { nominal: center, lower: add(center, lower), upper: add(center, upper), radius, loss, drift: loss };
}

/**
 * With x the values of layer s, where the chain C begins, and z those at its end, z - nominal is within
 * `drift` of C (x - nominal_s). That is bounded by interval arithmetic, and in each row by
 * ||row||_* ||x - nominal_s|| (the dual norm of l1 is the maximum). Besides `loss`, `drift` holds 2 gamma m:
 * one for the interval arithmetic, sums of numbers up to 2 |C| X, the other for all roundings behind them.
 *
 * @param before of the layer that is read.
 */
function affineFact(known: Known, { matrix, bias, ...affine }: Affine, before: Fact, norm: number): Fact {
  const { chain, error } = affine;
  const start = known.facts[affine.start];
  const g = gamma(matrix.rows + matrix.columns + chain.columns);
  const [size, x] = [magnitudes(matrix), magnitude(before)];
  const sums = times(size, x, bias.map(Math.abs));
  const width = matrix.start.reduce((most, end, i) => Math.max(most, end - (matrix.start[i - 1] ?? 0)), 0);
  const loss = lossOf(known, sums, g, width, largest(x) + largest(matrix.value));
  const nominal = times(matrix, before.nominal, bias);
  const up = 1 + g;
  // What the chain before this layer differs by, where there is one, and what this layer adds.
  const first = chain === matrix ? new Float64Array(matrix.columns) : before.drift;
  const own = loss.map((lost, i) => lost + 2 * g * sums[i]);
  const drift = times(size, first, own).map((sum) => sum * up);

  const l1 = known.region.kind === 'l1' && affine.start === 0;
  const squares = foldRows(chain, (sum, a) => (l1 ? Math.max(sum, a * a) : sum + a * a));
  const ball = squares.map((square) => (Math.sqrt(square + tiny) + error) * start.radius * up);
  const middle = start.nominal.map((n, i) => (start.lower[i] + start.upper[i]) / 2 - n);
  const half = start.lower.map((low, i) => (start.upper[i] - low) / 2);
  const [shift, reach] = [times(chain, middle), times(magnitudes(chain), half)];
  const end = (sign: number): Float64Array =>
    nominal.map((n, i) => n + sign * Math.min(reach[i] + sign * shift[i] + error * start.radius, ball[i]));
  const path = start.path && {
    relu: start.path.relu,
    norm: start.path.norm * norm * up,
    drift: (start.path.drift * norm + normUp(drift)) * up,
  };
  return { nominal, lower: end(-1), upper: end(1), radius: norm * start.radius, loss, drift, path };
}

/**
 * The `loss` of sums whose terms' absolute values come to `m`: of `n` products and a constant in float32
 * inference, neither of a product's factors above `factor`.
 *
 * @throws CertificateError where overflow cannot be excluded.
 */
function lossOf({ assurance }: Problem, m: Float64Array, g = gamma(1), n = 0, factor = 0): Float64Array {
  const up = 1 + g;
  if (assurance === 'real') return m.map((sum) => g * sum * up + tiny);
  const most = Math.max(largest(m), factor) * up;
  demand(n <= 1e5 && most < 2 ** 125, 'float32 overflow cannot be excluded');
  const small = (n + 1) * 2 ** -124 * (1 + factor);
  return m.map((sum) => ((g + 6e-8 * (n + 4)) * sum + small) * up + tiny);
}
