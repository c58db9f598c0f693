/**
 * CROWN's affine bounds and the closed-form radius as differentiable expressions of the weights (Propositions
 * 3.2 and 3.3 of the closed-form paper): gradients flow through the products of weights, the slopes of the
 * relaxation and the intermediate bounds that set them.
 */
import type { Tape, Tensor } from '../autodiff/index.js';
import { InvalidArgumentError } from '../errors.js';
import type { Interval } from './bounds.js';
import type { TrainableNetwork } from './network.js';

/** `a x + beta` per image and row: slope `[rows, size]` and offset `[rows]`, rows = images * per image. */
export interface AffineBound {
  readonly slope: Tensor;
  readonly offset: Tensor;
}

/** Keeps 0 / 0 out of the slope of a neuron whose interval is the single point 0. */
const tiny = 1e-12;

/**
 * CROWN's affine lower bounds of linear functions of the outputs, valid where the pre-activations stay in their
 * intervals.
 *
 * @param rows `[images * perImage, outputs]`: coefficients of the functions, image by image.
 * @param preActivations interval of every hidden layer, `[images, neurons]`.
 * @param lowerSlopes slope in [0, 1] of each neuron's lower line, `[images, neurons]` per hidden layer, used
 *   where the neuron is unstable; without them CROWN's choice, 1 where the interval reaches further up than down.
 * @throws InvalidArgumentError for networks with convolutions.
 */
export function crownLower(
  tape: Tape,
  network: TrainableNetwork,
  preActivations: readonly Interval[],
  rows: Tensor,
  lowerSlopes?: readonly Tensor[],
): AffineBound {
  const { layers } = network;
  if (layers.some(({ spec }) => spec.kind !== 'linear')) {
    throw new InvalidArgumentError(
      `CROWN training: architecture ${network.architecture.text} has convolutions, expected linear layers`,
    );
  }
  const images = preActivations[0]?.centre.shape[0] ?? rows.shape[0];
  const perImage = rows.shape[0] / images;
  let slope = rows;
  let offset: Tensor | undefined;
  for (let k = layers.length - 1; k >= 0; k--) {
    const { weight, bias } = layers[k];
    const shift = tape.reshape(tape.matmul(slope, tape.reshape(bias, [bias.size, 1])), [rows.shape[0]]);
    offset = offset === undefined ? shift : tape.add(offset, shift);
    slope = tape.matmul(slope, weight);
    if (k === 0) break;
    const neurons = weight.shape[1];
    const relaxation = relax(tape, preActivations[k - 1], lowerSlopes?.[k - 1]);
    const perNeuron = (x: Tensor): Tensor => tape.reshape(x, [images, 1, neurons]);
    const block = tape.reshape(slope, [images, perImage, neurons]);
    const rising = tape.relu(block);
    const falling = tape.subtract(block, rising);
    const below = tape.multiply(rising, perNeuron(relaxation.lowerSlope));
    const above = tape.multiply(falling, perNeuron(relaxation.upperSlope));
    const lift = tape.sum(tape.multiply(falling, perNeuron(relaxation.upperOffset)), { axes: [2] });
    offset = tape.add(offset, tape.reshape(lift, [rows.shape[0]]));
    slope = tape.reshape(tape.add(below, above), [rows.shape[0], neurons]);
  }
  return { slope, offset: offset! };
}

/** relu(z) >= lowerSlope z and relu(z) <= upperSlope z + upperOffset on each interval. */
function relax(
  tape: Tape,
  { centre, radius }: Interval,
  chosen: Tensor | undefined,
): { lowerSlope: Tensor; upperSlope: Tensor; upperOffset: Tensor } {
  const up = tape.relu(tape.add(centre, radius));
  const down = tape.relu(tape.subtract(radius, centre));
  const upperSlope = tape.divide(up, tape.scale(tape.add(up, down), 1, tiny));
  const upperOffset = tape.multiply(upperSlope, down);
  // A stable neuron's line is exact: its upper slope is 0 or 1, and so is CROWN's choice of the lower one.
  const adaptive = tape.indicator(up, down);
  if (chosen === undefined) return { lowerSlope: adaptive, upperSlope, upperOffset };
  const none = tape.filled([], 0);
  const unstable = tape.multiply(tape.indicator(up, none), tape.indicator(down, none));
  const change = tape.multiply(unstable, tape.subtract(chosen, adaptive));
  return { lowerSlope: tape.add(adaptive, change), upperSlope, upperOffset };
}

/** Rows of margins z_label - z_j, j ascending without the label: `[images * (classes - 1), classes]`. */
export function marginRows(tape: Tape, labels: Int32Array, classes: number): Tensor {
  return tape.written([labels.length * (classes - 1), classes], (numbers) => {
    numbers.fill(0);
    let row = 0;
    for (const label of labels) {
      for (let other = 0; other < classes; other++) {
        if (other === label) continue;
        numbers[row * classes + label] = 1;
        numbers[row * classes + other] = -1;
        row++;
      }
    }
  });
}

export interface RadiusForm {
  /** Rows per image. */
  readonly perImage: number;
  /** Radii count up to here, where the domain of the bounds ends: one for all, or `[images, 1]`. */
  readonly cap: Tensor;
}

/**
 * Signed closed-form l-infinity radii, `[images, perImage]`: `(a^T c + beta) / ||a||_1`, not above the cap and,
 * where negative, not below minus the cap. Its positive part is Theorem 3.1's r_LB; the sign is kept so
 * that an image that is not certified yet still has a gradient. A row whose slope vanishes has the cap's radius
 * with its offset's sign.
 *
 * @param centres `[images, size]`.
 */
export function closedFormRadii(
  tape: Tape,
  { slope, offset }: AffineBound,
  centres: Tensor,
  { perImage, cap }: RadiusForm,
): Tensor {
  const [images, size] = centres.shape;
  const block = tape.reshape(slope, [images, perImage, size]);
  const at = tape.sum(tape.multiply(block, tape.reshape(centres, [images, 1, size])), { axes: [2] });
  const margin = tape.add(at, tape.reshape(offset, [images, perImage]));
  const steepness = tape.norm1(block, { axes: [2] });
  const radii = tape.divide(margin, tape.scale(steepness, 1, tiny));
  return tape.max(tape.min(radii, cap), tape.scale(cap, -1));
}

/** Eq. 16: -kappa log sum exp(-r / kappa) over the last axis, a smooth lower bound of the smallest. */
export function softMin(tape: Tape, radii: Tensor, kappa: number): Tensor {
  return tape.scale(tape.logSumExp(tape.scale(radii, -1 / kappa)), -kappa);
}

/** max(0, goal - r): no more gradient once the goal is reached. */
export function targetHinge(tape: Tape, radius: Tensor, goal: Tensor): Tensor {
  return tape.relu(tape.subtract(goal, radius));
}

/** 1 / (r + epsilon), for radii above 0. */
export function inversePenalty(tape: Tape, radius: Tensor, epsilon: number): Tensor {
  return tape.reciprocal(tape.scale(tape.relu(radius), 1, epsilon));
}

/** Below this radius the logarithm of eq. 39 is cut, and the hinge alone pulls. */
const leastRadius = 1e-3;

/** Eq. 39: 0.3 (-log r) + 0.7 max(0, goal - r). */
export function mixedPenalty(tape: Tape, radius: Tensor, goal: Tensor): Tensor {
  const logarithm = tape.log(tape.max(radius, tape.filled([], leastRadius)));
  return tape.add(tape.scale(logarithm, -0.3), tape.scale(targetHinge(tape, radius, goal), 0.7));
}
