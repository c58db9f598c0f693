/**
 * Binomial tails bounded from above, and the confidence bound of Clopper and Pearson bounded from
 * below: what they say holds for exact arithmetic on the given doubles, provided that `Math.log` and
 * `Math.exp` are right to two units in the last place.
 */
import { InvalidArgumentError } from '../errors.js';

const unit = 2 ** -53;

/**
 * An upper bound of P(X >= successes) for X binomial with `trials` trials of probability `p`, above by
 * a relative 1e-15 times `trials` at most. 1 where `p >= successes / trials`.
 */
export function binomialTail(successes: number, trials: number, p: number): number {
  if (successes === 0 || !(p < successes / trials)) return 1;
  if (p === 0) return 0;
  const q = 1 - p;
  let term = 1;
  let sum = 1;
  let terms = 1;
  // Each term is (trials - i) p / ((i + 1) q) times the one before; this ratio is below 1 and falls.
  for (let i = successes; i < trials; i += 1) {
    const ratio = ((trials - i) * p) / ((i + 1) * q);
    term *= ratio;
    sum += term;
    terms += 1;
    if (term < sum * 1e-18) {
      sum += (term * ratio) / (1 - ratio);
      break;
    }
  }
  return Math.exp(logProbability(successes, trials, p)) * sum * (1 + 8 * (terms + 8) * unit);
}

/**
 * The greatest double `p` found for which P(X >= successes) <= alpha: a lower bound of a probability
 * that is true with confidence 1 - alpha once `successes` of `trials` independent trials succeeded
 * (the one-sided bound of Clopper and Pearson, the alpha-quantile of Beta(successes, trials -
 * successes + 1)). Never above the exact one.
 *
 * @throws InvalidArgumentError unless 0 <= successes <= trials, trials >= 1 and 0 < alpha < 1.
 */
export function binomialLowerBound(successes: number, trials: number, alpha: number): number {
  checkCounts(successes, trials);
  if (!(alpha > 0 && alpha < 1)) {
    throw new InvalidArgumentError(`alpha is ${alpha}, expected a number between 0 and 1`);
  }
  let low = 0;
  let high = successes / trials;
  for (let p = high / 2; p > low && p < high; p = low + (high - low) / 2) {
    if (binomialTail(successes, trials, p) <= alpha) low = p;
    else high = p;
  }
  return low;
}

/**
 * An upper bound of the p-value of the exact two-sided test that two counts come from a fair coin.
 *
 * @throws InvalidArgumentError unless both are integers >= 0.
 */
export function fairCoinPValue(a: number, b: number): number {
  checkCounts(a, a + b);
  return a === b ? 1 : Math.min(1, 2 * binomialTail(Math.max(a, b), a + b, 0.5));
}

function checkCounts(successes: number, trials: number): void {
  if (Number.isSafeInteger(trials) && trials >= 1 && Number.isSafeInteger(successes)) {
    if (successes >= 0 && successes <= trials) return;
  }
  throw new InvalidArgumentError(
    `${successes} of ${trials} trials, expected integers 0 <= successes <= trials`,
  );
}

/**
 * An upper bound of log P(X = k), from log n! = n log n - n + log(2 pi n) / 2 + delta(n), where the
 * powers of n without delta cancel into logarithms near 0.
 */
function logProbability(k: number, n: number, p: number): number {
  const rest = n - k;
  if (rest === 0) {
    const log = n * Math.log(p);
    return log + 8 * unit * Math.abs(log);
  }
  const head = k * Math.log((n * p) / k);
  const tail = rest * Math.log((n * (1 - p)) / rest);
  const root = Math.log(n / (2 * Math.PI * k * rest)) / 2;
  const stirling = delta(n, 1) - delta(k, -1) - delta(rest, -1);
  // Arguments of the logarithms are off by 3 roundings; then come the logarithms, products and sums.
  const error = 5 * n + 8 * (Math.abs(head) + Math.abs(tail) + Math.abs(root)) + 64;
  return head + tail + root + stirling + error * unit;
}

/**
 * A bound of delta(n) from above (side 1) or below (side -1): Stirling's series 1/(12 n) - 1/(360 n^3) +
 * ..., whose partial sums lie above and below it in turn; for small n the definition, within 2^-45.
 */
function delta(n: number, side: 1 | -1): number {
  if (n < 16) {
    let factorial = 1;
    for (let i = 2; i <= n; i += 1) factorial *= i;
    const value = Math.log(factorial) - (n + 0.5) * Math.log(n) + n - Math.log(2 * Math.PI) / 2;
    return value + side * 2 ** -45;
  }
  const below = 1 / (12 * n) - 1 / (360 * n ** 3) + 1 / (1260 * n ** 5) - 1 / (1680 * n ** 7);
  return side < 0 ? below : below + 1 / (1188 * n ** 9);
}
