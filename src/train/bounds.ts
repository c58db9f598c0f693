/** Interval bounds of a network (IBP) as differentiable expressions of its weights. */
import type { Tape, Tensor } from '../autodiff/index.js';
import { InvalidArgumentError } from '../errors.js';
import { type TrainableNetwork, convOptions } from './network.js';

/** Entries within `radius` of `centre`. */
export interface Interval {
  readonly centre: Tensor;
  readonly radius: Tensor;
}

/**
 * The l-infinity balls around images `[rows, size]`, intersected with [low, high].
 *
 * @param eps one radius for all, or `[rows, 1]`.
 */
export function inputBox(
  tape: Tape,
  images: Tensor,
  eps: number | Tensor,
  { low, high }: { low: number; high: number },
): Interval {
  const reach = typeof eps === 'number' ? tape.filled([], eps) : eps;
  const lower = tape.clamp(tape.subtract(images, reach), low, high);
  const upper = tape.clamp(tape.add(images, reach), low, high);
  return toInterval(tape, lower, upper);
}

function toInterval(tape: Tape, lower: Tensor, upper: Tensor): Interval {
  return {
    centre: tape.scale(tape.add(lower, upper), 0.5),
    radius: tape.scale(tape.subtract(upper, lower), 0.5),
  };
}

/** The interval of layer k's output: its centre through the layer, its radius through |W|. */
export function layerInterval(tape: Tape, network: TrainableNetwork, k: number, input: Interval): Interval {
  const { spec, weight } = network.layers[k];
  const magnitude = tape.abs(weight);
  const centre = network.layer(tape, k, input.centre);
  const { radius } = input;
  const rows = radius.shape[0];
  if (spec.kind === 'linear') {
    const flat = radius.shape.length === 2 ? radius : tape.reshape(radius, [rows, radius.size / rows]);
    return { centre, radius: tape.linear(flat, magnitude) };
  }
  const shape = [rows, ...network.architecture.shapes[k]];
  const map = radius.shape.length === 4 ? radius : tape.reshape(radius, shape);
  return { centre, radius: tape.conv2d(map, magnitude, undefined, convOptions(spec)) };
}

/** The interval behind a ReLU. */
export function reluInterval(tape: Tape, { centre, radius }: Interval): Interval {
  const lower = tape.relu(tape.subtract(centre, radius));
  const upper = tape.relu(tape.add(centre, radius));
  return toInterval(tape, lower, upper);
}

/** Intervals of all pre-activations but the last layer's, and of what the last layer reads. */
export function hiddenIntervals(
  tape: Tape,
  network: TrainableNetwork,
  box: Interval,
): { preActivations: Interval[]; last: Interval } {
  const preActivations: Interval[] = [];
  let last = box;
  for (let k = 0; k + 1 < network.layers.length; k++) {
    const z = layerInterval(tape, network, k, last);
    preActivations.push(z);
    last = reluInterval(tape, z);
  }
  return { preActivations, last };
}

/**
 * Lower bounds of the margins z_label - z_j, `[rows, classes]`, 0 where j is the label: the last layer's
 * rows are subtracted before they meet the interval, which is tighter than subtracting intervals of logits.
 */
export function marginBounds(
  tape: Tape,
  network: TrainableNetwork,
  last: Interval,
  labels: Int32Array,
): Tensor {
  const { spec, weight, bias } = network.layers[network.layers.length - 1];
  if (spec.kind !== 'linear') throw new InvalidArgumentError('margins: the last layer is not linear');
  const classes = spec.outputs;
  // Row a * classes + b of `differences`: row a minus row b, for all pairs at once.
  const pairs = pairDifferences(tape, classes);
  const differences = tape.matmul(pairs, weight);
  const shift = tape.reshape(tape.matmul(pairs, tape.reshape(bias, [classes, 1])), [classes * classes]);
  const flat = ({ centre, radius }: Interval): [Tensor, Tensor] => {
    const shape = [labels.length, centre.size / labels.length];
    return centre.shape.length === 2
      ? [centre, radius]
      : [tape.reshape(centre, shape), tape.reshape(radius, shape)];
  };
  const [centre, radius] = flat(last);
  const bounds = tape.subtract(
    tape.linear(centre, differences, shift),
    tape.linear(radius, tape.abs(differences)),
  );
  const chosen = Int32Array.from({ length: labels.length * classes }, (_, i) => {
    const row = Math.floor(i / classes);
    return (row * classes + labels[row]) * classes + (i % classes);
  });
  return tape.gather(bounds, chosen, [labels.length, classes]);
}

/**
 * The logits that are worst for the labels when each is bounded for itself, `[rows, classes]`: the label's at the
 * lower end of its interval, the others at the upper end. The closed-form paper certifies by these, which is
 * stricter than by margins.
 */
export function worstLogits(
  tape: Tape,
  network: TrainableNetwork,
  last: Interval,
  labels: Int32Array,
): Tensor {
  const { centre, radius } = layerInterval(tape, network, network.layers.length - 1, last);
  const classes = centre.size / labels.length;
  const ends = tape.written(centre.shape, (numbers) => {
    numbers.fill(1);
    labels.forEach((label, row) => (numbers[row * classes + label] = -1));
  });
  return tape.add(centre, tape.multiply(ends, radius));
}

function pairDifferences(tape: Tape, classes: number): Tensor {
  return tape.written([classes * classes, classes], (numbers) => {
    numbers.fill(0);
    for (let a = 0; a < classes; a++) {
      for (let b = 0; b < classes; b++) {
        numbers[(a * classes + b) * classes + a] += 1;
        numbers[(a * classes + b) * classes + b] -= 1;
      }
    }
  });
}

/** Cross entropies at the worst margins that the bounds allow, `[rows]`: log sum exp of their negatives. */
export function worstCrossEntropies(tape: Tape, margins: Tensor): Tensor {
  return tape.logSumExp(tape.scale(margins, -1));
}
