/**
 * What the checker derives about one image, and the value of the dual for given multipliers.
 *
 * For every step of the network: a nominal value (the true value at the region's centre is within `error`
 * of `middle`), a radius (over the region, no value is further than that from the true value at the
 * centre, in the euclidean norm), and a box that holds all values over the region.
 */
import { CertificateError } from '../errors.js';
import type { Region } from '../problem/region.js';
import { type Box, checked, gamma, normUp, tiny, unit } from './arithmetic.js';
import type { Leaf } from './format.js';
import type { Step, Steps } from './network.js';
import { apply, around, boxThrough, centred } from './sparse.js';

interface Known {
  readonly middle: Float64Array;
  readonly error: Float64Array;
  readonly radius: number;
  readonly box: Box;
}

export class ImageFacts {
  readonly known: (Known | undefined)[] = [];
  readonly #firstFeature: number[] = [];
  /** What is left of the region around its centre: `lower <= x - centre <= upper`. */
  readonly #reach: Box;

  /**
   * @param region of one image.
   * @param norms proven, one for each step.
   * @param tighten for each ReLU in order, a better box of the values that it takes: of what is known then.
   */
  constructor(
    private readonly steps: Steps,
    private readonly region: Region,
    norms: readonly number[],
    tighten: (facts: ImageFacts, index: number, step: number, box: Box) => Box,
  ) {
    this.#reach = reachOf(region);
    let features = 0;
    steps.forEach((step, i) => {
      if (step?.op === 'relu') {
        const [from] = step.from;
        const known = this.at(from);
        this.known[from] = { ...known, box: tighten(this, step.relu, from, known.box) };
        this.#firstFeature[step.relu] = features;
        features += known.middle.length;
      }
      this.known[i] = step && this.#derive(step, norms[i]);
    });
  }

  at(step: number): Known {
    const known = this.known[step];
    if (!known) throw new CertificateError(`nothing is known of step ${step}`);
    return known;
  }

  #derive({ op, from, affine }: Step, norm: number): Known {
    const { kind, center, eps } = this.region;
    if (op === 'input') {
      const { lower, upper } = this.#reach;
      const widest = normUp(lower.map((low, i) => Math.max(-low, upper[i])));
      // ||.||_2 <= ||.||_1, so an l1 ball lies in the l2 ball of its radius.
      const radius = kind === 'l1' || kind === 'l2' ? Math.min(eps[0], widest) : widest;
      const box = sum({ lower: center, upper: center }, this.#reach);
      checked(box.lower, 'the region');
      checked(box.upper, 'the region');
      return { middle: center, error: new Float64Array(center.length), radius, box };
    }
    const [a, b = a] = from.map((input) => this.at(input));
    if (op === 'relu') return { ...centred(relu(around(a))), radius: a.radius, box: relu(a.box) };
    if (op === 'add') {
      const radius = (a.radius + b.radius) * (1 + gamma(1));
      return { ...centred(sum(around(a), around(b))), radius, box: sum(a.box, b.box) };
    }
    const nominal = apply(affine!, a.middle, a.error);
    // |z_i - true nominal_i| <= ||row_i||_* ||x - centre||; the dual norm of l1 is the maximum.
    const l1 = kind === 'l1' && this.steps[from[0]]?.op === 'input';
    const [rows, reach] = l1 ? [affine!.rowMaxima, eps[0]] : [affine!.rowNorms, a.radius];
    const error = nominal.error.map((e, i) => (e + rows[i] * reach) * (1 + gamma(1)) + tiny);
    const box = intersection(boxThrough(affine!, a.box), around({ middle: nominal.middle, error }));
    return { ...nominal, radius: a.radius * norm * (1 + gamma(1)) + tiny, box };
  }

  /**
   * A proven lower bound of `c^T z + d` over the region and the leaf's half spaces, z the values of step
   * `target`: D(v, lambda) with v = slope * c, walking backwards. The true coefficients of step s are
   * within `errors[s]` of `coefficients[s]`; the v are exact, being whatever the product rounds to.
   */
  lowerBound(target: number, c: Float64Array, d: number, leaf: Leaf): number {
    const coefficients: Float64Array[] = [];
    const errors: Float64Array[] = [];
    const give = (step: number, coefficient: Float64Array, error: Float64Array): void => {
      const [there, before] = [coefficients[step], errors[step]];
      const total = there ? there.map((value, i) => value + coefficient[i]) : coefficient;
      coefficients[step] = total;
      errors[step] = there
        ? before.map((e, i) => (e + error[i] + unit * Math.abs(total[i])) * (1 + gamma(1)))
        : error;
    };
    const total = new LowerSum();
    total.add(d);
    give(target, checked(c, 'a row'), new Float64Array(c.length));
    for (let s = target; s >= 0; s--) {
      const [step, coefficient, error] = [this.steps[s], coefficients[s], errors[s]];
      if (!step || !coefficient) continue;
      const { op, from, affine } = step;
      if (op === 'input') {
        total.add(this.#inputTerm(coefficient, leaf.inputLambda));
        const { lower, upper } = this.at(s).box;
        error.forEach((e, i) => total.lose(e * Math.max(Math.abs(lower[i]), Math.abs(upper[i]))));
      } else if (op === 'add') {
        for (const input of from) give(input, coefficient, error);
      } else if (op === 'affine') {
        const { bias, biasError, back } = affine!;
        for (let i = 0; i < bias.length; i++) {
          total.add(coefficient[i] * bias[i]);
          total.lose(error[i] * (Math.abs(bias[i]) + biasError[i]) + Math.abs(coefficient[i]) * biasError[i]);
        }
        const { middle, error: spread } = apply(back, coefficient, error);
        give(from[0], middle, spread);
      } else {
        const input = this.at(from[0]);
        const box = split(input.box, step.relu, leaf);
        if (box === undefined) return Infinity;
        const slopes = leaf.slope.subarray(this.#firstFeature[step.relu]);
        const v = checked(
          coefficient.map((value, i) => value * slopes[i]),
          'a multiplier',
        );
        const lambda = leaf.lambda[step.relu];
        for (let i = 0; i < v.length; i++) {
          // relu(z) >= 0, so the smallest true coefficient gives the smallest phi.
          const low = coefficient[i] - (error[i] + 4 * unit * Math.abs(coefficient[i])) * (1 + gamma(1));
          total.add(phi(low, v[i], lambda, input.middle[i], box.lower[i], box.upper[i]));
        }
        const radius = (input.radius + normUp(input.error)) * (1 + gamma(1));
        total.add(-0.5 * lambda * radius * radius * (1 + gamma(3)));
        give(from[0], v, new Float64Array(v.length));
      }
    }
    return total.value();
  }

  /**
   * A lower bound of `a^T x` over the region: with d = x - centre, for every price >= 0 and lambda >= 0,
   * `a^T centre + sum min over reach of (a d + price |d| + lambda/2 d^2) - price eps - lambda/2 eps^2`;
   * for the l2 ball also `a^T centre - eps ||a||`.
   */
  #inputTerm(a: Float64Array, inputLambda: number): number {
    const { kind, center, eps } = this.region;
    const { lower, upper } = this.#reach;
    const price = kind === 'l1' ? l1Price(a, this.#reach, eps[0]) : 0;
    const lambda = kind === 'l2' ? inputLambda : 0;
    const [ball, box] = [new LowerSum(), new LowerSum()];
    a.forEach((value, i) => {
      ball.add(value * center[i]);
      box.add(value * center[i]);
      box.add(phi(2 * price, price - value, lambda, 0, lower[i], upper[i]));
    });
    if (kind === 'l1') box.add(-price * eps[0] * (1 + gamma(3)));
    if (kind === 'l2') box.add(-0.5 * lambda * eps[0] * eps[0] * (1 + gamma(3)));
    if (kind !== 'l2') return box.value();
    ball.add(-eps[0] * normUp(a) * (1 + gamma(3)));
    return Math.max(ball.value(), box.value());
  }
}

/** Adds numbers, and losses >= 0, and gives a lower bound of their difference (Lemmas 1 and 2). */
export class LowerSum {
  #sum = 0;
  #magnitude = 0;
  #loss = 0;
  #terms = 0;

  /** @param term a number, a product of two numbers, or a lower bound up to its own underflow. */
  add(term: number): void {
    this.#sum += term;
    this.#magnitude += Math.abs(term);
    this.#terms += 1;
  }

  lose(loss: number): void {
    this.#loss += loss;
    this.#terms += 1;
  }

  value(): number {
    const rounding = gamma(this.#terms) * (this.#magnitude + this.#loss) + this.#terms * 4 * tiny;
    return this.#sum - (this.#loss + rounding) * (1 + gamma(1));
  }
}

function reachOf({ kind, center, eps, lower, upper }: Region): Box {
  const down = (x: number): number => x - gamma(1) * Math.abs(x);
  const clip = {
    lower: center.map((x, i) => (lower ? down(lower[i] - x) : -Infinity)),
    upper: center.map((x, i) => (upper ? -down(x - upper[i]) : Infinity)),
  };
  if (kind === 'linf' || kind === 'box') return clip;
  const ball = new Float64Array(center.length).fill(eps[0]);
  return intersection(clip, { lower: ball.map((r) => -r), upper: ball });
}

export function relu({ lower, upper }: Box): Box {
  return { lower: lower.map((x) => Math.max(x, 0)), upper: upper.map((x) => Math.max(x, 0)) };
}

export function sum(a: Box, b: Box): Box {
  const low = a.lower.map((x, i) => x + b.lower[i]);
  const high = a.upper.map((x, i) => x + b.upper[i]);
  return {
    lower: low.map((x) => x - 2 * unit * Math.abs(x)),
    upper: high.map((x) => x + 2 * unit * Math.abs(x)),
  };
}

function intersection(a: Box, b: Box): Box {
  return {
    lower: a.lower.map((x, i) => Math.max(x, b.lower[i])),
    upper: a.upper.map((x, i) => Math.min(x, b.upper[i])),
  };
}

/** The box inside the leaf's half spaces; undefined if that is empty, and there is nothing to prove. */
function split(box: Box, index: number, leaf: Leaf): Box | undefined {
  const own = leaf.splits.filter(({ relu: of }) => of === index);
  if (own.length === 0) return box;
  const [lower, upper] = [box.lower.slice(), box.upper.slice()];
  for (const { neuron, active } of own) {
    if (active) lower[neuron] = Math.max(lower[neuron], 0);
    else upper[neuron] = Math.min(upper[neuron], 0);
    if (lower[neuron] > upper[neuron]) return undefined;
  }
  return { lower, upper };
}

/** A lower bound of `c relu(z) - v z + lambda/2 (z - centre)^2` over [low, high]. */
function phi(c: number, v: number, lambda: number, centre: number, low: number, high: number): number {
  const scale = Math.abs(c) + Math.abs(v);
  if (low >= 0) return parabola(c - v, scale, lambda, centre, low, high);
  if (high <= 0) return parabola(-v, scale, lambda, centre, low, high);
  return Math.min(
    parabola(c - v, scale, lambda, centre, 0, high),
    parabola(-v, scale, lambda, centre, low, 0),
  );
}

/**
 * A lower bound of `q(z) = t z + lambda/2 (z - centre)^2` over [low, high], for all t within 3 u scale of
 * the given one, |t| <= scale.
 *
 * Lemma 4. q is convex, so q(z) >= q(p) + q'(p) (z - p) for any p in the interval, and over the interval
 * the second term is at least -max(q', 0) (p - low) - max(-q', 0) (high - p). Here p is the computed
 * minimiser, but every p is sound. The computed q' is off by less than `slack`: t by 3 u scale, the
 * difference, product and sum by u each; the computed q(p) by less than 16 u of its terms.
 */
function parabola(
  t: number,
  scale: number,
  lambda: number,
  centre: number,
  low: number,
  high: number,
): number {
  const wanted = lambda > 0 ? centre - t / lambda : t > 0 ? low : high;
  const p = Math.min(Math.max(wanted, low), high);
  const away = p - centre;
  const half = 0.5 * lambda * away * away;
  const derivative = t + lambda * away;
  const slack = 8 * unit * (scale + lambda * Math.abs(away)) + tiny;
  const drop = Math.max(derivative + slack, 0) * (p - low) + Math.max(slack - derivative, 0) * (high - p);
  return t * p + half - 16 * unit * (scale * Math.abs(p) + half) - drop * (1 + 16 * unit);
}

/** Where the budget eps of the fractional knapsack runs out: the best price, but any is sound. */
function l1Price(a: Float64Array, { lower, upper }: Box, eps: number): number {
  let left = eps;
  for (const i of Array.from(a.keys()).sort((j, k) => Math.abs(a[k]) - Math.abs(a[j]))) {
    left -= a[i] > 0 ? -lower[i] : upper[i];
    if (left <= 0) return Math.abs(a[i]);
  }
  return 0;
}
