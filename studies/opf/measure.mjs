/** What is certified of a trained network: the engine's proven bounds, not those of training. */
import { ballLinf, outputs } from '../../dist/index.js';

/** Squared error summed over outputs, mean over a set, as in equation 40; in standard deviations. */
export async function squaredError(verifier, model, { count, inputs, targets }) {
  const { data } = await verifier.forward(model, rowsOf(inputs, count));
  return data.reduce((sum, y, i) => sum + (y - targets[i]) ** 2, 0) / count;
}

/**
 * Proven bounds of every output within eps of every input of a set.
 *
 * @returns `lower` and `upper`, `[count, outputs]`.
 */
export async function provenBounds(verifier, model, { count, inputs }, eps) {
  const region = ballLinf(rowsOf(inputs, count), eps);
  return verifier.bounds(model, region, { specification: outputs(), upper: true, method: 'joint' });
}

/** Certified violation of each output's limits, mean over the set (equations 41 to 43). */
export function violations({ lower, upper, shape }, limits) {
  const [count, width] = shape;
  return limits.lower.map((least, j) => {
    let sum = 0;
    for (let at = j; at < lower.length; at += width) {
      sum += Math.max(0, upper[at] - limits.upper[j]) + Math.max(0, least - lower[at]);
    }
    return sum / count;
  });
}

function rowsOf(values, count) {
  const width = values.length / count;
  return Array.from({ length: count }, (_, i) => values.subarray(i * width, (i + 1) * width));
}
