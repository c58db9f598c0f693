/**
 * The gradient of the dual bound with respect to weights without a tape: at fixed boxes and multipliers
 *
 *     dD/dA_k = v_k x*_{k-1}^T,   dD/db_k = v_k,
 *
 * x* being the minimisers behind the bound (docs/mathematics.md, "The dual"; envelope theorem). At
 * multipliers that maximise D it is the gradient of the maximum too. Plain float64, ball multipliers zero.
 */
import { ShapeError } from '../errors.js';

/** An affine layer z = A x + b; weight `[outputs, inputs]`, row-major. */
export interface AffineLayer {
  readonly weight: ArrayLike<number>;
  readonly bias: ArrayLike<number>;
}

export interface Box {
  readonly lower: ArrayLike<number>;
  readonly upper: ArrayLike<number>;
}

export interface DualProblem {
  /** Linear layers with a ReLU between each two. */
  readonly layers: readonly AffineLayer[];
  /** The input's. */
  readonly box: Box;
  /** Of every hidden pre-activation, held fixed. */
  readonly preActivations: readonly Box[];
  /** Multipliers `v_k` of every layer's constraint; the last one is the row whose minimum is bounded. */
  readonly multipliers: readonly ArrayLike<number>[];
}

export interface DualGradient {
  /** Lower bound of `v_L^T z_L` over the box. */
  readonly value: number;
  /** Per layer, in the shape of its weight and bias. */
  readonly layers: readonly { readonly weight: Float64Array; readonly bias: Float64Array }[];
}

/**
 * Evaluates the dual at the given multipliers and its gradient there. At kinks, where a minimiser is not
 * unique, it is one of the subgradients.
 *
 * @throws ShapeError where the sizes of layers, boxes and multipliers do not fit.
 */
export function dualGradient({ layers, box, preActivations, multipliers }: DualProblem): DualGradient {
  if (preActivations.length !== layers.length - 1 || multipliers.length !== layers.length) {
    throw new ShapeError(
      `dualGradient: ${layers.length} layers, ${preActivations.length} boxes, ${multipliers.length} multipliers; ` +
        'expected a box per hidden layer and multipliers per layer',
    );
  }
  let value = 0;
  const gradients = layers.map(({ weight, bias }, k) => {
    const v = multipliers[k];
    const inputs = k === 0 ? box.lower.length : preActivations[k - 1].lower.length;
    if (v.length !== bias.length || weight.length !== bias.length * inputs) {
      throw new ShapeError(
        `dualGradient: layer ${k + 1} has ${weight.length} weights and ${bias.length} biases, expected ` +
          `${v.length} rows of ${inputs}`,
      );
    }
    for (let i = 0; i < v.length; i++) value += v[i] * bias[i];
    const c = adjoint(weight, v, inputs);
    const minimiser = new Float64Array(inputs);
    for (let i = 0; i < inputs; i++) {
      if (k === 0) {
        minimiser[i] = c[i] > 0 ? box.lower[i] : box.upper[i];
        value += c[i] * minimiser[i];
        continue;
      }
      const { lower, upper } = preActivations[k - 1];
      const z = leastPoint(c[i], multipliers[k - 1][i], lower[i], upper[i]);
      minimiser[i] = Math.max(z, 0);
      value += c[i] * minimiser[i] - multipliers[k - 1][i] * z;
    }
    const byWeight = new Float64Array(weight.length);
    for (let row = 0; row < v.length; row++) {
      for (let i = 0; i < inputs; i++) byWeight[row * inputs + i] = v[row] * minimiser[i];
    }
    return { weight: byWeight, bias: Float64Array.from(v) };
  });
  return { value, layers: gradients };
}

/** Where c relu(z) - v z is least on [lower, upper]: at an end, or at the kink if that lies between. */
function leastPoint(c: number, v: number, lower: number, upper: number): number {
  const at = (z: number): number => c * Math.max(z, 0) - v * z;
  let best = at(lower) <= at(upper) ? lower : upper;
  if (lower < 0 && upper > 0 && at(best) > 0) best = 0;
  return best;
}

function adjoint(weight: ArrayLike<number>, v: ArrayLike<number>, inputs: number): Float64Array {
  const c = new Float64Array(inputs);
  for (let row = 0; row < v.length; row++) {
    for (let i = 0; i < inputs; i++) c[i] += weight[row * inputs + i] * v[row];
  }
  return c;
}
