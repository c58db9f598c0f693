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
import { foldRows, magnitudeTimes, times } from './matrix.js';
import type { Affine, Layer } from './network.js';

export interface Problem {
  readonly layers: readonly Layer[];
  /** Proven, one for each layer. */
  readonly norms: readonly number[];
  readonly region: Region;
  readonly assurance: Assurance;
}

/** A problem, and what is known of its layers, in order. */
export interface Known extends Problem {
  readonly facts: readonly Fact[];
}

/** A ball around the centre, and the interval of x - centre in which the clip range leaves each feature. */
export interface Region {
  readonly kind: Ball['kind'];
  readonly eps: number;
  readonly center: Float64Array;
  readonly lower: Float64Array;
  readonly upper: Float64Array;
}

/** What is known of the values x of one layer. */
export interface Fact {
  /** Values near those of the run that starts at the centre; exact numbers, whatever they come from. */
  readonly nominal: Float64Array;
  /** || x - nominal ||_2 is at most so much. */
  readonly radius: number;
  readonly lower: Float64Array;
  readonly upper: Float64Array;
  /** See above: what each unit of a coefficient loses. */
  readonly loss: Float64Array;
  /** Of an affine layer: |x - nominal - C (x_s - nominal_s)| is at most so much, C the chain from layer s. */
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
  return { kind, eps, center, lower, upper };
}

/** An upper bound of what a layer's values, and the nominal ones, come to. */
export function magnitude({ nominal, lower, upper }: Fact): Float64Array {
  return nominal.map((x, i) => Math.max(Math.abs(x), Math.abs(lower[i]), Math.abs(upper[i])));
}

/** The fact of layer `at`, from those before it. */
export function derive(known: Known, at: number): Fact {
  const fact = factOf(known, at);
  const { nominal, lower, upper, loss, drift } = fact;
  const what = `what is known of node ${known.layers[at].node}`;
  for (const x of [nominal, lower, upper, loss, drift]) checked(x, what);
  return fact;
}

function factOf(known: Known, at: number): Fact {
  const { op, from, size, affine } = known.layers[at];
  const [a, b] = from.map((input) => known.facts[input]);
  if (affine) return affineFact(known, affine, a, known.norms[at]);
  // The gamma in `loss` also pays for the rounding of the box's ends.
  const add = (x: Float64Array, y: Float64Array): Float64Array => x.map((value, i) => value + y[i]);
  const drift = new Float64Array(size);
  if (op === 'relu') {
    const [nominal, lower, upper] = [a.nominal, a.lower, a.upper].map((x) => x.map((z) => Math.max(z, 0)));
    const loss = lossOf(known, drift);
    const path = { relu: at, norm: 1, drift: normUp(loss) };
    return { ...widened(nominal, lower, upper, a.radius, loss), loss, drift, path };
  }
  if (op === 'add') {
    const loss = lossOf(known, add(magnitude(a), magnitude(b)));
    const [nominal, lower, upper] = [add(a.nominal, b.nominal), add(a.lower, b.lower), add(a.upper, b.upper)];
    return { ...widened(nominal, lower, upper, a.radius + b.radius, loss), loss, drift };
  }
  const { kind, eps, center, lower, upper } = known.region;
  const reach = lower.map((low, i) => Math.max(-low, upper[i]));
  const loss = lossOf(known, add(center.map(Math.abs), reach));
  // ||.||_2 <= ||.||_1, so an l1 ball lies in the l2 ball of its radius.
  const radius = Math.min(normUp(reach), kind === 'linf' ? Infinity : eps);
  return { ...widened(center, add(center, lower), add(center, upper), radius, loss), loss, drift };
}

/** Box and ball of values that differ from such by at most `by`. */
function widened(
  nominal: Float64Array,
  low: Float64Array,
  high: Float64Array,
  ball: number,
  by: Float64Array,
) {
  const lower = low.map((x, i) => x - by[i]);
  const upper = high.map((x, i) => x + by[i]);
  return { nominal, lower, upper, radius: (ball + normUp(by)) * (1 + gamma(1)) };
}

/**
 * With x the values of layer s, where the chain C begins, and z those at its end, z - nominal is within
 * `drift` of C (x - nominal_s). That is bounded by interval arithmetic, and in each row by
 * ||row||_* ||x - nominal_s|| (the dual norm of l1 is the maximum). `drift` holds gamma m, which also pays
 * for the last roundings.
 *
 * @param before of the layer that is read.
 */
function affineFact(known: Known, affine: Affine, before: Fact, norm: number): Fact {
  const { matrix, bias, chain, error, rowNorms, rowMaxima } = affine;
  const start = known.facts[affine.start];
  const g = gamma(matrix.rows + matrix.columns + chain.columns);
  const x = magnitude(before);
  const sums = magnitudeTimes(matrix, x, bias.map(Math.abs));
  const width = largest(foldRows(matrix, (count) => count + 1));
  const loss = lossOf(known, sums, g, width, largest(x) + largest(matrix.value));
  const nominal = times(matrix, before.nominal, bias);
  const drift = magnitudeTimes(matrix, before.drift, loss).map((sum) => sum * (1 + g));

  const middle = start.nominal.map((n, i) => (start.lower[i] + start.upper[i]) / 2 - n);
  const shift = times(chain, middle);
  // Half the interval's length, what `middle` may be off by, and what rounds in `shift`.
  const most = magnitude(start);
  const halves = middle.map(
    (m, i) => (start.upper[i] - start.lower[i]) / 2 + gamma(1) * most[i] + g * Math.abs(m),
  );
  const box = magnitudeTimes(chain, halves).map(
    (sum, i) => (sum + error * start.radius + gamma(3) * Math.abs(shift[i])) * (1 + g),
  );
  const { kind, eps } = known.region;
  const [l1, inputLoss] = [kind === 'l1' && affine.start === 0, normUp(start.loss)];
  const ball = rowNorms.map((row, i) => (l1 ? rowMaxima[i] * eps + row * inputLoss : row * start.radius));
  const end = (sign: number): Float64Array =>
    nominal.map((n, i) => n + sign * Math.min(box[i] + sign * shift[i], ball[i]));
  const up = 1 + gamma(3);
  const path = start.path && {
    relu: start.path.relu,
    norm: start.path.norm * norm * up,
    drift: (start.path.drift * norm + normUp(drift)) * up,
  };
  return { ...widened(nominal, end(-1), end(1), norm * start.radius, drift), loss, drift, path };
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
