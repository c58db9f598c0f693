/** Spectral norms as penalties: power iterations, which give LOWER bounds and must never certify anything. */
import { InvalidArgumentError } from '../../errors.js';
import { formatShape } from '../../tensor.js';
import type { Recorder } from '../recorder.js';
import type { Tensor } from '../tensor.js';
import { type ConvolutionOptions, convolutionForm, product } from './products.js';

/**
 * Left and right vectors of a power iteration, warm from step to step: `[rows]` and `[columns]` of a matrix, or
 * `[1, outputs, height, width]` and `[1, channels, height, width]` of a convolution.
 */
export interface PowerState {
  readonly left: Tensor;
  readonly right: Tensor;
}

/** The largest singular value of a matrix. Updates the state's vectors in place. */
export function spectralNorm(tape: Recorder, weight: Tensor, state: PowerState, iterations: number): Tensor {
  const [rows, columns] = weight.shape;
  const { left, right } = state;
  const fits = weight.shape.length === 2 && left.size === rows && right.size === columns;
  if (!fits) throw misfit(weight, state);
  const form = { n: 1, transposeB: false };
  const norm = iterate(state, iterations, {
    forward: () => {
      const forward = { ...form, m: rows, k: columns, transposeA: false };
      tape.arithmetic.product(weight.data, right.data, left.data, forward, false);
    },
    adjoint: () => {
      const adjoint = { ...form, m: columns, k: rows, transposeA: true };
      tape.arithmetic.product(weight.data, left.data, right.data, adjoint, false);
    },
  });
  const u = tape.tensor(left.data, [rows, 1]);
  const v = tape.tensor(right.data, [1, columns]);
  return tape.record([weight], tape.filled([], norm), (g) => {
    const gradient = product(tape, u, v, {});
    tape.arithmetic.scale(gradient.data, gradient.data, g.item(), 0);
    return [gradient];
  });
}

/** The same of a convolution as an operator on maps of the state's sizes. */
export function convolutionNorm(
  tape: Recorder,
  weight: Tensor,
  state: PowerState,
  options: ConvolutionOptions,
  iterations: number,
): Tensor {
  const { left, right } = state;
  const { form, output } = convolutionForm(right, weight, options);
  if (formatShape(output) !== formatShape(left.shape)) throw misfit(weight, state);
  const norm = iterate(state, iterations, {
    forward: () => tape.arithmetic.convolve(right.data, weight.data, left.data, form),
    adjoint: () => tape.arithmetic.convolveInput(left.data, weight.data, right.data, form),
  });
  const u = tape.tensor(left.data, left.shape);
  const v = tape.tensor(right.data, right.shape);
  return tape.record([weight], tape.filled([], norm), (g) => {
    const gradient = tape.empty(weight.shape);
    tape.arithmetic.convolveWeight(v.data, u.data, gradient.data, form);
    tape.arithmetic.scale(gradient.data, gradient.data, g.item(), 0);
    return [gradient];
  });
}

function misfit(weight: Tensor, { left, right }: PowerState): InvalidArgumentError {
  return new InvalidArgumentError(
    `spectral norm: weight ${formatShape(weight.shape)} with vectors ${formatShape(left.shape)} and ` +
      `${formatShape(right.shape)}, expected one of the outputs' shape and one of the inputs'`,
  );
}

function iterate(
  { left, right }: PowerState,
  iterations: number,
  { forward, adjoint }: { forward: () => void; adjoint: () => void },
): number {
  if (!(iterations >= 1))
    throw new InvalidArgumentError(`spectral norm: ${iterations} iterations, expected 1 or more`);
  let norm = 0;
  for (let i = 0; i < iterations; i++) {
    forward();
    normalise(left);
    adjoint();
    norm = normalise(right);
  }
  return norm;
}

/** Scales `x` to length 1 (a vector of zeros stays) and returns the length it had. */
function normalise(x: Tensor): number {
  let sum = 0;
  for (let i = 0; i < x.size; i++) sum += x.data[i] ** 2;
  const length = Math.sqrt(sum);
  if (length > 0) for (let i = 0; i < x.size; i++) x.data[i] /= length;
  return length;
}
