import type { Shape } from '../tensor.js';
import * as elementwise from './operations/elementwise.js';
import * as losses from './operations/losses.js';
import * as products from './operations/products.js';
import * as reductions from './operations/reductions.js';
import { NativeArithmetic } from './native-arithmetic.js';
import * as spectral from './operations/spectral.js';
import { Recorder } from './recorder.js';
import type { Tensor } from './tensor.js';
import type { Arithmetic } from './arithmetic.js';

export interface SumOptions {
  /** Axes to sum over; all of them when left out. */
  readonly axes?: readonly number[];
  /** Keep summed axes with length 1. */
  readonly keep?: boolean;
}

/**
 * Reverse-mode differentiation: methods compute at once and are remembered; `grad` walks back over them.
 *
 * ```ts
 * const tape = new Tape(new NativeArithmetic());
 * const weight = new Tensor(new Float32Array(12), [3, 4]); // lives outside, updated in place
 * tape.scope(() => {
 *   const y = tape.relu(tape.linear(tape.tensor(pixels, [2, 4]), weight));
 *   const [gradient] = tape.grad(tape.mean(y), [weight]);
 *   ...
 * }); // all memory of the step goes back to the tape
 * ```
 *
 * Every operand must lie where the arithmetic keeps its arrays and in its precision (Float32Array for the native one on
 * the CPU). All methods throw ShapeError where shapes do not fit.
 */
export class Tape extends Recorder {
  constructor(arithmetic: Arithmetic = new NativeArithmetic()) {
    super(arithmetic);
  }

  // --- single entries; at their kinks relu, abs and sqrt have derivative 0 ---
  relu(x: Tensor): Tensor {
    return elementwise.unary(this, 'relu', x);
  }
  abs(x: Tensor): Tensor {
    return elementwise.unary(this, 'abs', x);
  }
  exp(x: Tensor): Tensor {
    return elementwise.unary(this, 'exp', x);
  }
  log(x: Tensor): Tensor {
    return elementwise.unary(this, 'log', x);
  }
  sqrt(x: Tensor): Tensor {
    return elementwise.unary(this, 'sqrt', x);
  }
  reciprocal(x: Tensor): Tensor {
    return elementwise.unary(this, 'reciprocal', x);
  }
  square(x: Tensor): Tensor {
    return elementwise.unary(this, 'square', x);
  }
  /** log(1 + exp(x)), without overflow. */
  softplus(x: Tensor): Tensor {
    return elementwise.unary(this, 'softplus', x);
  }
  sigmoid(x: Tensor): Tensor {
    return elementwise.unary(this, 'sigmoid', x);
  }
  /** factor * x + shift. */
  scale(x: Tensor, factor: number, shift = 0): Tensor {
    return elementwise.scale(this, x, factor, shift);
  }
  /** x limited to [low, high]; derivative 0 outside. */
  clamp(x: Tensor, low: number, high: number): Tensor {
    return this.min(this.max(x, this.filled([], low)), this.filled([], high));
  }
  /** The same numbers, through which no gradient flows. */
  stopGradient(x: Tensor): Tensor {
    return elementwise.stopGradient(this, x);
  }

  // --- pairs of entries, broadcast as in ONNX ---
  add(a: Tensor, b: Tensor): Tensor {
    return elementwise.add(this, a, b);
  }
  subtract(a: Tensor, b: Tensor): Tensor {
    return elementwise.subtract(this, a, b);
  }
  multiply(a: Tensor, b: Tensor): Tensor {
    return elementwise.multiply(this, a, b);
  }
  divide(a: Tensor, b: Tensor): Tensor {
    return elementwise.divide(this, a, b);
  }
  /** Where both are equal, the gradient goes to b. */
  max(a: Tensor, b: Tensor): Tensor {
    return elementwise.extreme(this, 'max', a, b);
  }
  /** Where both are equal, the gradient goes to b. */
  min(a: Tensor, b: Tensor): Tensor {
    return elementwise.extreme(this, 'min', a, b);
  }

  /** 1 where a > b, else 0: a constant, through which no gradient flows. */
  indicator(a: Tensor, b: Tensor): Tensor {
    return elementwise.paired(this, 'greater', a, b);
  }

  // --- shapes ---
  broadcastTo(x: Tensor, shape: Shape): Tensor {
    return reductions.broadcastTo(this, x, shape);
  }
  reshape(x: Tensor, shape: Shape): Tensor {
    return reductions.reshape(this, x, shape);
  }
  /** Entries of x by flat index (-1: zero), in a tensor of `shape`. */
  gather(x: Tensor, indices: Int32Array, shape: Shape): Tensor {
    return reductions.gather(this, x, indices, shape);
  }
  /** Tensors behind each other along the first axis. */
  concatenate(parts: readonly Tensor[]): Tensor {
    return reductions.concatenate(this, parts);
  }

  // --- reductions ---
  sum(x: Tensor, { axes, keep = false }: SumOptions = {}): Tensor {
    return reductions.sum(this, x, axes, keep);
  }
  /** Mean of all entries. */
  mean(x: Tensor): Tensor {
    return this.scale(this.sum(x), 1 / x.size);
  }
  /** The largest entry along the last axis; the first of equals takes the gradient. */
  largest(x: Tensor): Tensor {
    return reductions.largest(this, x);
  }
  /** log sum exp along the last axis. */
  logSumExp(x: Tensor): Tensor {
    return reductions.logSumExp(this, x);
  }
  /** Sum of absolute values over `axes`. */
  norm1(x: Tensor, options: SumOptions = {}): Tensor {
    return this.sum(this.abs(x), options);
  }
  /** Euclidean length over `axes`; its gradient at 0 is 0. */
  norm2(x: Tensor, options: SumOptions = {}): Tensor {
    return this.sqrt(this.sum(this.square(x), options));
  }
  /**
   * Largest singular value of a matrix by power iteration: a LOWER bound, to be penalised, never to certify.
   * `state` is updated in place, so a few iterations a step follow a slowly moving matrix.
   */
  spectralNorm(weight: Tensor, state: spectral.PowerState, iterations = 1): Tensor {
    return spectral.spectralNorm(this, weight, state, iterations);
  }
  /** The same of a convolution between maps of the state's shapes. */
  convolutionNorm(
    weight: Tensor,
    state: spectral.PowerState,
    options: products.ConvolutionOptions = {},
    iterations = 1,
  ): Tensor {
    return spectral.convolutionNorm(this, weight, state, options, iterations);
  }

  // --- products ---
  matmul(a: Tensor, b: Tensor, transposes: products.Transposes = {}): Tensor {
    return products.matmul(this, a, b, transposes);
  }
  /** x W^T + b: x `[rows, in]`, weight `[out, in]`, bias `[out]`; with `relu`, what is below 0 becomes 0. */
  linear(x: Tensor, weight: Tensor, bias?: Tensor, options: products.LinearOptions = {}): Tensor {
    if (bias !== undefined) return products.linear(this, x, weight, bias, options);
    const y = this.matmul(x, weight, { transposeB: true });
    return options.relu === true ? this.relu(y) : y;
  }
  /** x `[images, channels, height, width]`, weight `[outputs, channels, kernel, kernel]`, bias `[outputs]`. */
  conv2d(x: Tensor, weight: Tensor, bias?: Tensor, options: products.ConvolutionOptions = {}): Tensor {
    const y = products.conv2d(this, x, weight, options);
    return bias === undefined ? y : this.add(y, this.reshape(bias, [bias.size, 1, 1]));
  }

  // --- losses over rows of logits `[rows, classes]` ---
  logSoftmax(logits: Tensor): Tensor {
    return losses.logSoftmax(this, logits);
  }
  /** Softmax cross entropy of every row, `[rows]`; `smoothing` of the target is spread over all classes. */
  crossEntropies(logits: Tensor, labels: ArrayLike<number>, smoothing = 0): Tensor {
    return losses.crossEntropies(this, logits, labels, smoothing);
  }
  /** Mean softmax cross entropy. */
  crossEntropy(logits: Tensor, labels: ArrayLike<number>, smoothing = 0): Tensor {
    return this.mean(this.crossEntropies(logits, labels, smoothing));
  }
  /** Mean over rows of KL(softmax(target) || softmax(logits)). */
  klDivergence(target: Tensor, logits: Tensor): Tensor {
    return losses.klDivergence(this, target, logits);
  }
  /** Mean over rows of the Jensen-Shannon divergence between several sets of logits. */
  jensenShannon(views: readonly Tensor[]): Tensor {
    return losses.jensenShannon(this, views);
  }
}
