/** Matrix products and convolutions. */
import { ShapeError } from '../../errors.js';
import { formatShape } from '../../tensor.js';
import { type ConvolutionForm, convolutionOutput } from '../arithmetic.js';
import type { Recorder } from '../recorder.js';
import type { Tensor } from '../tensor.js';

export interface Transposes {
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
}

export function product(
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
  tape.arithmetic.product(a.storage, b.storage, c.storage, { m, n, k, transposeA, transposeB }, false);
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

export interface LinearOptions {
  /** Entries below 0 become 0, in the same pass. */
  readonly relu?: boolean;
}

/** x W^T + b, then perhaps a ReLU: one pass forward, and one less backward than the three by themselves. */
export function linear(
  tape: Recorder,
  x: Tensor,
  weight: Tensor,
  bias: Tensor,
  { relu = false }: LinearOptions,
): Tensor {
  const fits = x.shape.length === 2 && weight.shape.length === 2 && x.shape[1] === weight.shape[1];
  if (!fits || bias.shape.length !== 1 || bias.size !== weight.shape[0]) {
    throw new ShapeError(
      `linear: input ${formatShape(x.shape)}, weight ${formatShape(weight.shape)} and bias ` +
        `${formatShape(bias.shape)}, expected [rows, in], [out, in] and [out]`,
    );
  }
  const [rows, k] = x.shape;
  const n = bias.size;
  const y = tape.empty([rows, n]);
  const form = { m: rows, n, k, transposeA: false, transposeB: true };
  tape.arithmetic.product(x.storage, weight.storage, y.storage, form, false, { bias: bias.storage, relu });
  /** The gradient before the ReLU, and its columns added to `sums`. */
  const opened = (g: Tensor, sums?: Tensor): Tensor => {
    if (!relu) {
      if (sums) tape.arithmetic.addReduced(g.storage, sums.storage, tape.layout(y.shape, bias.shape));
      return g;
    }
    const open = tape.empty(y.shape);
    tape.arithmetic.gateRows(g.storage, y.storage, n, open.storage, sums?.storage);
    return open;
  };
  return tape.record(
    [x, weight, bias],
    y,
    (g, [needX, needWeight, needBias]) => {
      const byBias = needBias ? tape.filled(bias.shape, 0) : undefined;
      const open = opened(g, byBias);
      return [
        needX ? product(tape, open, weight, {}) : undefined,
        needWeight ? product(tape, open, x, { transposeA: true }) : undefined,
        byBias,
      ];
    },
    (g, centre, step) => {
      const along = { m: rows, n: k, k: n };
      tape.arithmetic.signStepAlong(
        opened(g).storage,
        weight.storage,
        centre.storage,
        x.storage,
        along,
        step,
      );
    },
  );
}

export interface ConvolutionOptions {
  readonly strides?: readonly [number, number];
  /** Zeros before and behind each of both axes. */
  readonly pads?: readonly [number, number];
}

/** Sizes of a convolution, and the shape of its output, checked. */
export function convolutionForm(
  x: Tensor,
  weight: Tensor,
  { strides = [1, 1], pads = [0, 0] }: ConvolutionOptions,
): { form: ConvolutionForm; output: number[] } {
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
  return { form, output: [images, outputs, ...extent] };
}

/** x `[images, channels, height, width]`, weight `[outputs, channels, kernelHeight, kernelWidth]`. */
export function conv2d(tape: Recorder, x: Tensor, weight: Tensor, options: ConvolutionOptions): Tensor {
  const { form, output } = convolutionForm(x, weight, options);
  const y = tape.empty(output);
  tape.arithmetic.convolve(x.storage, weight.storage, y.storage, form);
  return tape.record([x, weight], y, (g, [needX, needWeight]) => {
    const byX = needX ? tape.empty(x.shape) : undefined;
    if (byX) tape.arithmetic.convolveInput(g.storage, weight.storage, byX.storage, form);
    const byWeight = needWeight ? tape.empty(weight.shape) : undefined;
    if (byWeight) tape.arithmetic.convolveWeight(x.storage, g.storage, byWeight.storage, form);
    return [byX, byWeight];
  });
}
