/** The normal distribution, bounded so that what is derived from it errs on the safe side. */
import { nextUp } from '../problem/rounding.js';

const unit = 2 ** -53;

/** Levels of the continued fraction; even, so that it ends below the true value. */
const levels = 400;
/** Where the series hands over to the continued fraction, which converges quickly from here on. */
const middle = 2;

/**
 * A lower bound of the p-quantile of the standard normal distribution, 0 for p <= 1/2 and the
 * greatest double that could be proven above; for p = 1 it is Infinity. Holds if `Math.exp` is right to
 * two units in the last place.
 */
export function normalQuantileDown(p: number): number {
  if (!(p > 0.5)) return 0;
  if (p >= 1) return Infinity;
  let low = 0;
  let high = 40;
  for (let z = high / 2; z > low && z < high; z = low + (high - low) / 2) {
    // 1 - p is exact for p >= 1/2.
    if (z < middle ? distributionUp(z) <= p : upperTailDown(z) >= 1 - p) low = z;
    else high = z;
  }
  return low;
}

/** Above P(Z <= z) for 0 <= z < 2: 1/2 + density(z) (z + z^3 / 3 + z^5 / 15 + ...), all terms positive. */
function distributionUp(z: number): number {
  let term = z;
  let sum = z;
  let terms = 1;
  for (let ratio = 1; term > sum * 1e-18 || ratio >= 0.5; terms += 1) {
    ratio = (z * z) / (2 * terms + 1);
    term *= ratio;
    sum += term;
  }
  // The ratios fall, and are below 1/2 here: the rest is less than the last term.
  const part = density(z) * (sum + term) * (1 + (z * z + 8 * terms + 16) * unit);
  return nextUp(0.5 + part);
}

/** Below P(Z > z) for z >= 2: density(z) / (z + 1 / (z + 2 / (z + 3 / (z + ...)))), cut after an even level. */
function upperTailDown(z: number): number {
  let fraction = z;
  for (let level = levels - 1; level >= 1; level -= 1) fraction = z + level / fraction;
  return (density(z) / fraction) * (1 - (z * z + 2 * levels + 16) * unit);
}

function density(z: number): number {
  return Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI);
}
