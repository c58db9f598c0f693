/** Matrix products, convolutions, and the spectral norm as a penalty. */
import { InvalidArgumentError, ShapeError } from '../../errors.js';
import { formatShape } from '../../tensor.js';
import { type ConvolutionForm, convolutionOutput } from '../arithmetic.js';
import type { Recorder } from '../recorder.js';
import type { Tensor } from '../tensor.js';

export interface Transposes {
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
}

function product(
  tape: Recorder,
  a: Tensor,
  b: Tensor,
  { transposeA = false, transposeB = false }: Transposes,
): Tensor {
  if (a.shape.length !== 2 || b.shape.length !== 2) {
    throw new ShapeError(
      `matmul: shapes ${formatShape(a.shape)} and ${formatShape(b.shape)}, expected two matrices`,
    );
  }
  const [m, k] = transposeA ? [a.shape[1], a.shape[0]] : [a.shape[0], a.shape[1]];
  const [inner, n] = transposeB ? [b.shape[1], b.shape[0]] : [b.shape[0], b.shape[1]];
  if (k !== inner) {
    throw new ShapeError(
      `matmul: shapes ${formatShape(a.shape)}${transposeA ? ' transposed' : ''} and ` +
        `${formatShape(b.shape)}${transposeB ? ' transposed' : ''} do not multiply`,
    );
  }
  const c = tape.empty([m, n]);
  tape.arithmetic.product(a.data, b.data, c.data, { m, n, k, transposeA, transposeB }, false);
  return c;
}

/** op(a) op(b), op transposing where asked to. */
export function matmul(tape: Recorder, a: Tensor, b: Tensor, transposes: Transposes): Tensor {
  const { transposeA = false, transposeB = false } = transposes;
  return tape.record([a, b], product(tape, a, b, transposes), (g, [needA, needB]) => {
    // c = A B: dA = g B^T, dB = A^T g, each transposed back if its operand was.
    const byA = (): Tensor =>
      transposeA
        ? product(tape, b, g, { transposeA: transposeB, transposeB: true })
        : product(tape, g, b, { transposeB: !transposeB });
    const byB = (): Tensor =>
      transposeB
        ? product(tape, g, a, { transposeA: true, transposeB: transposeA })
        : product(tape, a, g, { transposeA: !transposeA });
    return [needA ? byA() : undefined, needB ? byB() : undefined];
  });
}

export interface ConvolutionOptions {
  readonly strides?: readonly [number, number];
  /** Zeros before and behind each of both axes. */
  readonly pads?: readonly [number, number];
}

/** x `[images, channels, height, width]`, weight `[outputs, channels, kernelHeight, kernelWidth]`. */
export function conv2d(tape: Recorder, x: Tensor, weight: Tensor, options: ConvolutionOptions): Tensor {
  const { strides = [1, 1], pads = [0, 0] } = options;
  if (x.shape.length !== 4 || weight.shape.length !== 4 || x.shape[1] !== weight.shape[1]) {
    throw new ShapeError(
      `conv2d: input ${formatShape(x.shape)} and weight ${formatShape(weight.shape)}, expected ` +
        '[images, channels, height, width] and [outputs, channels, kernel height, kernel width]',
    );
  }
  const [images, channels, height, width] = x.shape;
  const [outputs, , ...kernel] = weight.shape;
  const form: ConvolutionForm = {
    images,
    channels,
    height,
    width,
    outputs,
    kernel: [kernel[0], kernel[1]],
    strides,
    pads,
  };
  const extent = convolutionOutput(form);
  if (extent.some((size) => size < 1)) {
    throw new ShapeError(
      `conv2d: kernel ${formatShape(kernel)} does not fit input ${formatShape(x.shape)} with pads ${formatShape(pads)}`,
    );
  }
  const y = tape.empty([images, outputs, ...extent]);
  tape.arithmetic.convolve(x.data, weight.data, y.data, form);
  return tape.record([x, weight], y, (g, [needX, needWeight]) => {
    const byX = needX ? tape.empty(x.shape) : undefined;
    if (byX) tape.arithmetic.convolveInput(g.data, weight.data, byX.data, form);
    const byWeight = needWeight ? tape.empty(weight.shape) : undefined;
    if (byWeight) tape.arithmetic.convolveWeight(x.data, g.data, byWeight.data, form);
    return [byX, byWeight];
  });
}

/** Left `[rows]` and right `[columns]` vectors of a power iteration, warm from step to step. */
export interface PowerState {
  readonly left: Tensor;
  readonly right: Tensor;
}

/**
 * The largest singular value of a matrix by power iteration: a LOWER bound, to be penalised and never to
 * certify anything. Updates the state's vectors in place.
 */
export function spectralNorm(tape: Recorder, weight: Tensor, state: PowerState, iterations: number): Tensor {
  const [rows, columns] = weight.shape;
  const { left, right } = state;
  if (weight.shape.length !== 2 || left.size !== rows || right.size !== columns || iterations < 1) {
    throw new InvalidArgumentError(
      `spectralNorm: weight ${formatShape(weight.shape)}, vectors of ${left.size} and ${right.size}, ` +
        `${iterations} iterations; expected a matrix, a vector per side and at least one iteration`,
    );
  }
  const form = { n: 1, transposeB: false };
  let norm = 0;
  for (let i = 0; i < iterations; i++) {
    const forward = { ...form, m: rows, k: columns, transposeA: false };
    tape.arithmetic.product(weight.data, right.data, left.data, forward, false);
    normalise(left);
    const adjoint = { ...form, m: columns, k: rows, transposeA: true };
    tape.arithmetic.product(weight.data, left.data, right.data, adjoint, false);
    norm = normalise(right);
  }
  const u = tape.tensor(left.data, [rows, 1]);
  const v = tape.tensor(right.data, [1, columns]);
  return tape.record([weight], tape.filled([], norm), (g) => {
    tape.arithmetic.scale(u.data, u.data, g.item(), 0);
    return [product(tape, u, v, {})];
  });
}

/** Scales `x` to length 1 (a vector of zeros stays) and returns the length it had. */
function normalise(x: Tensor): number {
  let sum = 0;
  for (let i = 0; i < x.size; i++) sum += x.data[i] ** 2;
  const length = Math.sqrt(sum);
  if (length > 0) for (let i = 0; i < x.size; i++) x.data[i] /= length;
  return length;
}
