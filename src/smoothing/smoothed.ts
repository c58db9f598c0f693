/**
 * Randomized smoothing after Cohen, Rosenfeld and Kolter (ICML 2019, algorithms CERTIFY and PREDICT). The
 * smoothed classifier g answers the class that the model is most likely to give under Gaussian noise
 * N(0, sigma^2 I) on its input. What is said of g comes from samples and is wrong with a probability of
 * at most alpha; nothing is said of the model without noise.
 */
import { InvalidArgumentError } from '../errors.js';
import type { Model } from '../model/index.js';
import { distanceUp } from '../problem/distance.js';
import { nextDown } from '../problem/rounding.js';
import { type Vectors, packVectors } from '../problem/region.js';
import { type CallOptions, integer, positive } from '../verify/options.js';
import type { Verifier } from '../verify/verifier.js';
import { binomialLowerBound, fairCoinPValue } from './binomial.js';
import { normalQuantileDown } from './normal.js';

export interface SmoothingOptions extends CallOptions {
  /** Standard deviation of the noise, in the units of the model's input. */
  sigma: number;
  /** Samples for the estimate; default 100,000. */
  n?: number;
  /** Probability at most with which a statement may be wrong; default 0.001. */
  alpha?: number;
  /** The noise is a function of it; default 0. */
  seed?: number;
  /** Numbers of the inputs' noise streams; different ones see independent noise. Default 0, 1, 2, ... */
  streams?: Int32Array;
}

export interface SmoothedRadiusOptions extends SmoothingOptions {
  /** Samples, apart from the others, that choose the class to make a statement about; default 100. */
  n0?: number;
}

/** What CERTIFY says of one input. */
export interface SmoothedRadius {
  /** The class of g on the whole open l2 ball of `radius` around the input; null if it abstains. */
  readonly predicted: number | null;
  /** Rounded down; 0 where it abstains. */
  readonly radius: number;
  /** Lower confidence bound of the probability of the class that was chosen. */
  readonly pLower: number;
  /** How many of the n samples had that class. */
  readonly count: number;
}

/** What PREDICT says of one input. */
export interface SmoothedPrediction {
  /** The class of g at the input; null if it abstains. */
  readonly predicted: number | null;
  /** Upper bound of the p-value of the test that its two most frequent classes are equally likely. */
  readonly pValue: number;
}

/**
 * CERTIFY: the class of the smoothed classifier and a radius, `sigma * quantile(pLower)`, within which it
 * does not change: right with probability 1 - alpha for each input. The class is chosen from n0 samples,
 * its probability bounded from n others. Noise is added to the input rounded to float32, whose distance
 * is taken off the radius; a sample with NaN among the model's outputs counts for no class.
 *
 * @param x one or several inputs of `model.inputSize` numbers.
 * @throws InvalidArgumentError for an option out of range; ShapeError for inputs of another size;
 *   AbortError if the signal fires.
 */
export async function smoothedRadius(
  verifier: Verifier,
  model: Model,
  x: Vectors,
  options: SmoothedRadiusOptions,
): Promise<SmoothedRadius[]> {
  const n0 = integer('n0', options.n0 ?? 100, 1);
  const { n, alpha, ...noise } = resolve(options);
  if (n0 + n > 2 ** 31 - 1) {
    throw new InvalidArgumentError(`n0 + n is ${n0 + n}, expected at most ${2 ** 31 - 1}`);
  }
  const guesses = await verifier.classCounts(model, x, {
    ...noise,
    first: 0,
    samples: n0,
    onProgress: undefined,
  });
  const counts = await verifier.classCounts(model, x, { ...noise, first: n0, samples: n });
  const { data, size } = packVectors(x, 'x');
  // The engine adds float32(sigma) times the noise.
  const sigma = Math.fround(options.sigma);
  return counts.map((count, image) => {
    const chosen = mostFrequent(guesses[image]);
    const successes = count[chosen];
    const pLower = binomialLowerBound(successes, n, alpha);
    const reach = nextDown(sigma * normalQuantileDown(pLower));
    const center = data.subarray(image * size, (image + 1) * size);
    const radius = nextDown(reach - distanceUp('l2', center, center.map(Math.fround)));
    const found = radius > 0;
    return { predicted: found ? chosen : null, radius: found ? radius : 0, pLower, count: successes };
  });
}

/**
 * PREDICT: the class of the smoothed classifier at each input, wrong with a probability of at most alpha.
 *
 * @throws as {@link smoothedRadius}.
 */
export async function smoothedPrediction(
  verifier: Verifier,
  model: Model,
  x: Vectors,
  options: SmoothingOptions,
): Promise<SmoothedPrediction[]> {
  const { n, alpha, ...noise } = resolve(options);
  const counts = await verifier.classCounts(model, x, { ...noise, first: 0, samples: n });
  return counts.map((count) => {
    const top = mostFrequent(count);
    const second = count.reduce((most, value, k) => (k === top ? most : Math.max(most, value)), 0);
    const pValue = count[top] === 0 ? 1 : fairCoinPValue(count[top], second);
    return { predicted: pValue <= alpha ? top : null, pValue };
  });
}

function resolve({ sigma, n = 100_000, alpha = 0.001, seed = 0, ...rest }: SmoothingOptions) {
  if (!(alpha > 0 && alpha < 1)) {
    throw new InvalidArgumentError(`alpha is ${alpha}, expected a number between 0 and 1`);
  }
  return {
    ...rest,
    sigma: positive('sigma', sigma),
    n: integer('n', n, 1),
    alpha,
    seed: integer('seed', seed, 0),
  };
}

/** The first of equal ones. */
function mostFrequent(counts: Float64Array): number {
  return counts.reduce((best, count, k) => (count > counts[best] ? k : best), 0);
}
