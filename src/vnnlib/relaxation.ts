/**
 * What affine lower bounds of a term's rows say about its counterexamples in a box. All rows are <= 0 at
 * a counterexample, hence every affine lower bound and every nonnegative combination of them is too.
 * Each conclusion allows for the rounding of its own evaluation.
 */

/** `slope^T x + offset` */
export interface Affine {
  readonly slope: Float64Array;
  readonly offset: number;
}

export interface Box {
  readonly lower: Float64Array;
  readonly upper: Float64Array;
}

const unit = 2 ** -53;
/** Subgradient steps for the weights of a combination. */
const steps = 12;

/**
 * A lower bound of the affine function on the box that holds in exact arithmetic. `terms` is how many
 * rounded operations may stand behind one coefficient, `magnitude` bounds the sum of the absolute
 * values that were added up.
 */
function rigorousMinimum(bound: Affine, box: Box, magnitude: number, terms: number): number {
  return minimum(bound, box) - magnitude * 2.02 * (box.lower.length + terms + 16) * unit;
}

function minimum({ slope, offset }: Affine, { lower, upper }: Box): number {
  let sum = offset;
  for (let i = 0; i < slope.length; i += 1) sum += slope[i] * (slope[i] > 0 ? lower[i] : upper[i]);
  return sum;
}

/** The sum of absolute values in `slope^T x + offset`, at most, on the box. */
function magnitudeOf({ slope, offset }: Affine, { lower, upper }: Box): number {
  let sum = Math.abs(offset);
  for (let i = 0; i < slope.length; i += 1) {
    sum += Math.abs(slope[i]) * Math.max(Math.abs(lower[i]), Math.abs(upper[i]));
  }
  return sum;
}

/** The corner of the box where the function is smallest. */
export function minimiser({ slope }: Affine, { lower, upper }: Box): Float64Array {
  return slope.map((a, i) => (a > 0 ? lower[i] : upper[i]));
}

/**
 * The convex combination of the rows whose minimum on the box is largest, approximately: for any weights
 * a positive minimum rules the term out, so only quality depends on finding the best ones.
 */
export function bestCombination(rows: readonly Affine[], box: Box): Affine {
  if (rows.length === 1) return rows[0];
  const scores = rows.map((row) => minimum(row, box));
  const first = scores.indexOf(Math.max(...scores));
  let best = rows[first];
  let bestScore = scores[first];
  const scale = Math.max(...scores.map(Math.abs), Number.MIN_VALUE);
  let weights = rows.map(() => 1 / rows.length);
  for (let step = 0; step < steps; step += 1) {
    const combined = combine(rows, weights);
    const score = minimum(combined, box);
    if (score > bestScore) {
      best = combined;
      bestScore = score;
    }
    // Exponentiated subgradient: the rows' values at the minimiser are the gradient in the weights.
    const x = minimiser(combined, box);
    const rate = 4 / Math.sqrt(step + 1) / scale;
    const grown = rows.map((row, j) => weights[j] * Math.exp(Math.min(rate * valueAt(row, x), 20)));
    const total = grown.reduce((sum, weight) => sum + weight, 0);
    if (!(total > 0)) break;
    weights = grown.map((weight) => weight / total);
  }
  return best;
}

function combine(rows: readonly Affine[], weights: readonly number[]): Affine {
  const slope = new Float64Array(rows[0].slope.length);
  let offset = 0;
  rows.forEach((row, j) => {
    for (let i = 0; i < slope.length; i += 1) slope[i] += weights[j] * row.slope[i];
    offset += weights[j] * row.offset;
  });
  return { slope, offset };
}

function valueAt({ slope, offset }: Affine, x: Float64Array): number {
  let sum = offset;
  for (let i = 0; i < slope.length; i += 1) sum += slope[i] * x[i];
  return sum;
}

/**
 * The part of the box where all rows and their combination can be <= 0: with `m` the minimum on the box,
 * `slope_i (x_i - end_i) <= -m` where `end_i` is the end at which the minimum lies. Undefined where
 * nothing is left, that is where the term is impossible on the box.
 */
export function clip(rows: readonly Affine[], combination: Affine, box: Box): Box | undefined {
  const magnitude = rows.reduce((largest, row) => Math.max(largest, magnitudeOf(row, box)), 0);
  const lower = box.lower.slice();
  const upper = box.upper.slice();
  const cuts = rows.includes(combination) ? rows : [...rows, combination];
  for (const cut of cuts) {
    const least = rigorousMinimum(cut, box, magnitude, rows.length);
    if (least > 0) return undefined;
    if (!Number.isFinite(least)) continue;
    for (let i = 0; i < lower.length; i += 1) {
      const reach = -least / Math.abs(cut.slope[i]);
      if (!(reach < box.upper[i] - box.lower[i])) continue;
      // The quotient and the sum are rounded once each; a few units outward cover both.
      const slack = 4 * unit * (Math.abs(box.lower[i]) + Math.abs(box.upper[i]) + reach);
      if (cut.slope[i] > 0) upper[i] = Math.min(upper[i], box.lower[i] + reach + slack);
      else lower[i] = Math.max(lower[i], box.upper[i] - reach - slack);
      if (lower[i] > upper[i]) return undefined;
    }
  }
  return { lower, upper };
}

/** The smallest box around all of them. */
export function hull(boxes: readonly Box[]): Box {
  const [first, ...rest] = boxes;
  const lower = first.lower.slice();
  const upper = first.upper.slice();
  for (const box of rest) {
    for (let i = 0; i < lower.length; i += 1) {
      lower[i] = Math.min(lower[i], box.lower[i]);
      upper[i] = Math.max(upper[i], box.upper[i]);
    }
  }
  return { lower, upper };
}
