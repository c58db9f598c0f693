/** Spectral norms as penalties: power iterations, which give LOWER bounds and must never certify anything. */
import { InvalidArgumentError } from '../../errors.js';
import { formatShape } from '../../tensor.js';
import type { Recorder } from '../recorder.js';
import type { Tensor } from '../tensor.js';
import { paired } from './elementwise.js';
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
  const norm = iterate(tape, state, iterations, {
    forward: () => {
      const forward = { ...form, m: rows, k: columns, transposeA: false };
      tape.arithmetic.product(weight.storage, right.storage, left.storage, forward, false);
    },
    adjoint: () => {
      const adjoint = { ...form, m: columns, k: rows, transposeA: true };
      tape.arithmetic.product(weight.storage, left.storage, right.storage, adjoint, false);
    },
  });
  const u = tape.copied(left, [rows, 1]);
  const v = tape.copied(right, [1, columns]);
  return tape.record([weight], norm, (g) => {
    return [paired(tape, 'multiply', product(tape, u, v, {}), g)];
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
  const norm = iterate(tape, state, iterations, {
    forward: () => tape.arithmetic.convolve(right.storage, weight.storage, left.storage, form),
    adjoint: () => tape.arithmetic.convolveInput(left.storage, weight.storage, right.storage, form),
  });
  const u = tape.copied(left, left.shape);
  const v = tape.copied(right, right.shape);
  return tape.record([weight], norm, (g) => {
    const gradient = tape.empty(weight.shape);
    tape.arithmetic.convolveWeight(v.storage, u.storage, gradient.storage, form);
    return [paired(tape, 'multiply', gradient, g)];
  });
}

function misfit(weight: Tensor, { left, right }: PowerState): InvalidArgumentError {
  return new InvalidArgumentError(
    `spectral norm: weight ${formatShape(weight.shape)} with vectors ${formatShape(left.shape)} and ` +
      `${formatShape(right.shape)}, expected one of the outputs' shape and one of the inputs'`,
  );
}

/** The length that the right vector had after the last iteration, a tensor of one element. */
function iterate(
  tape: Recorder,
  { left, right }: PowerState,
  iterations: number,
  { forward, adjoint }: { forward: () => void; adjoint: () => void },
): Tensor {
  if (!(iterations >= 1))
    throw new InvalidArgumentError(`spectral norm: ${iterations} iterations, expected 1 or more`);
  const norm = tape.empty([]);
  for (let i = 0; i < iterations; i++) {
    forward();
    tape.arithmetic.normalise(left.storage, norm.storage);
    adjoint();
    tape.arithmetic.normalise(right.storage, norm.storage);
  }
  return norm;
}
