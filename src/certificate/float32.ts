/**
 * How far the outputs of the network run in IEEE float32 can be from its real-valued outputs, over the
 * whole region, for any order of summation, with or without fused multiply-add, with subnormal numbers
 * kept or flushed to zero. Constants and inputs that are no float32 numbers are rounded once.
 *
 * Lemma 5. Let X bound |x| and delta the distance of the float32 input x' of a step to x. A float32 sum of
 * n products is off by at most g (|A||x'| + |b|), g = (n + 4) u / (1 - (n + 4) u), u = 2^-24, the rounding
 * of the constants included, and by less than 2^-125 for each term (underflow or flushing of a product or
 * its factors, whose partners are at most X + delta or the largest constant). Hence
 *   delta' <= |A| (delta + g (X + delta)) + g |b| + (n + 1) 2^-125 (1 + max (X + delta) + max |A|),
 * provided |A|(X + delta) + |b| stays below 2^126, so that nothing overflows.
 */
import { CertificateError } from '../errors.js';
import { type Box, checked, gamma } from './arithmetic.js';
import type { Steps } from './network.js';
import { apply, boxThrough } from './sparse.js';
import { relu, sum } from './image.js';

/**
 * @param steps of the graph without folding.
 * @param preActivations proven box of what each ReLU takes.
 * @returns a bound for each output.
 * @throws CertificateError where overflow cannot be excluded.
 */
export function float32Error(steps: Steps, input: Box, preActivations: readonly Box[]): Float64Array {
  const boxes: Box[] = [];
  const errors: Float64Array[] = [];
  steps.forEach((step, s) => {
    if (!step) return;
    const { op, from, affine } = step;
    const box = op === 'input' ? input : boxes[from[0]];
    const most = (s === 0 ? box : boxes[from[0]]).lower.map((low, i) => Math.max(-low, box.upper[i]));
    if (op === 'input') {
      boxes[s] = box;
      errors[s] = most.map((x) => 1.2e-7 * x + 2 ** -125);
    } else if (op === 'relu') {
      boxes[s] = relu(preActivations[step.relu]);
      errors[s] = errors[from[0]];
    } else if (op === 'add') {
      boxes[s] = sum(boxes[from[0]], boxes[from[1]]);
      const size = boxes[s].lower.map((low, i) => Math.max(-low, boxes[s].upper[i]));
      errors[s] = size.map((x, i) => {
        const before = errors[from[0]][i] + errors[from[1]][i];
        return (before + 1.2e-7 * (x + before)) * (1 + gamma(4)) + 2 ** -125;
      });
    } else {
      const { matrix, bias, biasError, folds, rowMaxima } = affine!;
      boxes[s] = boxThrough(affine!, box);
      const n = Math.max(...matrix.start.subarray(1).map((end, i) => end - matrix.start[i]));
      const g = 1.2e-7 * (n + 8);
      if (!(g < 0.25)) throw new CertificateError(`a sum of ${n} terms is too long for a float32 bound`);
      const delta = errors[from[0]];
      const size = most.map((x, i) => x + delta[i]);
      const zero = { matrix, bias: new Float64Array(bias.length), biasError, folds };
      const through = (radius: Float64Array): Float64Array => apply(zero, new Float64Array(radius.length), radius).error;
      const small = (n + 1) * 2 ** -124 * (1 + largest(size) + largest(rowMaxima));
      errors[s] = through(delta.map((e, i) => e + g * size[i])).map((e, i) => e + g * Math.abs(bias[i]) + small);
      const total = through(size).map((e, i) => e + Math.abs(bias[i]));
      if (!(Math.max(largest(total), largest(rowMaxima)) < 2 ** 125)) {
        throw new CertificateError('float32 overflow cannot be excluded');
      }
    }
    checked(errors[s], 'a float32 error');
  });
  return errors[errors.length - 1];
}

function largest(x: Float64Array): number {
  return x.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}
