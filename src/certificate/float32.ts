/**
 * How far the outputs of the network run in IEEE float32 can be from its real-valued outputs, over the
 * whole region, for any order of summation, with or without fused multiply-add, with subnormal numbers
 * kept or flushed to zero. Constants and inputs that are no float32 numbers are rounded once.
 *
 * Lemma 5. Let X bound |x| and delta the distance of the float32 input x' of a step from x. A float32 sum of
 * n products and a bias is off by at most g (|A||x'| + |b|), g = 6e-8 (n + 4) for n <= 10^5 (u = 2^-24, the
 * rounding of the constants included), and by less than 2^-125 for each term (underflow or flushing of a
 * product or a factor, whose partner is at most X + delta or the largest constant). So with
 *   local = g (|A| (X + delta) + |b|) + (n + 1) 2^-125 (1 + max (X + delta) + max |A|),
 * delta'_i <= min(|A| delta, ||row_i|| ||delta||)_i + local_i and ||delta'|| <= ||A|| ||delta|| + ||local||,
 * provided |A|(X + delta) + |b| stays below 2^125, so that nothing overflows. ReLU is 1-Lipschitz.
 */
import { CertificateError } from '../errors.js';
import { type Box, checked, gamma, normUp } from './arithmetic.js';
import { relu, sum } from './image.js';
import type { Steps } from './network.js';
import { apply, boxThrough, widest } from './sparse.js';

/**
 * @param steps of the graph without folding.
 * @param norms proven, by graph node.
 * @param preActivations proven box of what each ReLU takes.
 * @returns a bound for each output.
 * @throws CertificateError where overflow cannot be excluded.
 */
export function float32Error(
  steps: Steps,
  norms: ReadonlyMap<number, number>,
  input: Box,
  preActivations: readonly Box[],
): Float64Array {
  const up = 1 + gamma(9);
  const boxes: Box[] = [];
  const errors: { each: Float64Array; norm: number }[] = [];
  const rounding = (x: Float64Array, before: Float64Array): Float64Array =>
    x.map((value, i) => (before[i] + 6.1e-8 * (value + before[i])) * up + 2 ** -124);
  steps.forEach((step, s) => {
    if (!step) return;
    const [a, b = a] = step.from.map((from) => errors[from]);
    let each: Float64Array;
    let norm = Infinity;
    if (step.op === 'input') {
      boxes[s] = input;
      each = rounding(largest(input), new Float64Array(input.lower.length));
    } else if (step.op === 'relu') {
      boxes[s] = relu(preActivations[step.relu]);
      ({ each, norm } = a);
    } else if (step.op === 'add') {
      boxes[s] = sum(boxes[step.from[0]], boxes[step.from[1]]);
      each = rounding(
        largest(boxes[s]),
        a.each.map((e, i) => (e + b.each[i]) * up),
      );
    } else {
      const { matrix, bias, rowNorms, rowMaxima, ...rest } = step.affine!;
      const before = boxes[step.from[0]];
      boxes[s] = boxThrough(step.affine!, before);
      const n = widest(matrix);
      const size = largest(before).map((x, i) => (x + a.each[i]) * up);
      const linear = { ...rest, matrix, bias: new Float64Array(bias.length) };
      const through = (x: Float64Array): Float64Array => apply(linear, new Float64Array(x.length), x).error;
      const total = through(size).map((e, i) => (e + Math.abs(bias[i])) * up);
      const most = Math.max(maximum(total), maximum(size), maximum(rowMaxima));
      if (!(n <= 1e5 && most < 2 ** 125)) throw new CertificateError('float32 overflow cannot be excluded');
      const small = (n + 1) * 2 ** -124 * (1 + maximum(size) + maximum(rowMaxima));
      const local = total.map((t) => (6e-8 * (n + 4) * t + small) * up);
      each = through(a.each).map((e, i) => (Math.min(e, rowNorms[i] * a.norm * up) + local[i]) * up);
      norm = ((norms.get(step.node) ?? Infinity) * a.norm + normUp(local)) * up;
    }
    checked(each, 'a float32 error');
    errors[s] = { each, norm: Math.min(norm, normUp(each)) };
  });
  return errors[errors.length - 1].each;
}

/** The largest absolute value of each interval. */
function largest({ lower, upper }: Box): Float64Array {
  return lower.map((low, i) => Math.max(-low, upper[i]));
}

function maximum(x: Float64Array): number {
  return x.reduce((most, value) => Math.max(most, value), 0);
}
