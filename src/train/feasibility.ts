/** Certified feasibility of a regression's outputs (equations 40 to 43 of the closed-form radius paper). */
import type { Tape, Tensor } from '../autodiff/index.js';
import { ShapeError } from '../errors.js';
import { hiddenIntervals } from './bounds.js';
import { crownLower } from './crown.js';
import type { TrainableNetwork } from './network.js';

/** Limits of every output. */
export interface OutputLimits {
  readonly lower: readonly number[];
  readonly upper: readonly number[];
}

/**
 * CROWN's bounds of every output on l-infinity balls of radius eps around `inputs [images, size]`, as
 * differentiable expressions of the weights: `lower` and `upper`, each `[images, outputs]`.
 */
export function outputBounds(
  tape: Tape,
  network: TrainableNetwork,
  inputs: Tensor,
  eps: number,
): { lower: Tensor; upper: Tensor } {
  const [images, size] = inputs.shape;
  const { outputSize } = network;
  // Rows of an image: every output, then every output's negative, whose lower bound is minus the upper one.
  const perImage = 2 * outputSize;
  const rows = tape.written([images * perImage, outputSize], (numbers) => {
    numbers.fill(0);
    for (let row = 0; row < images * perImage; row++) {
      const at = row % perImage;
      numbers[row * outputSize + (at % outputSize)] = at < outputSize ? 1 : -1;
    }
  });
  const radius = tape.filled([images, size], eps);
  const { preActivations } = hiddenIntervals(tape, network, { centre: inputs, radius });
  const { slope, offset } = crownLower(tape, network, preActivations, rows);
  const block = tape.reshape(slope, [images, perImage, size]);
  const atCentre = tape.sum(tape.multiply(block, tape.reshape(inputs, [images, 1, size])), { axes: [2] });
  const fall = tape.scale(tape.norm1(block, { axes: [2] }), eps);
  const least = tape.subtract(tape.add(atCentre, tape.reshape(offset, [images, perImage])), fall);
  const half = (first: number): Tensor => {
    const indices = Int32Array.from(
      { length: images * outputSize },
      (_, i) => Math.floor(i / outputSize) * perImage + first + (i % outputSize),
    );
    return tape.gather(least, indices, [images, outputSize]);
  };
  return { lower: half(0), upper: tape.scale(half(outputSize), -1) };
}

/**
 * Mean over images of `sum_j max(0, upper_j - limit_j) + max(0, limit_j - lower_j)` with the bounds of
 * {@link outputBounds}: 0 only if no input within eps leads an output out of its limits.
 *
 * @throws ShapeError if there is not one limit of each kind for every output.
 */
export function certifiedViolation(
  tape: Tape,
  network: TrainableNetwork,
  inputs: Tensor,
  eps: number,
  limits: OutputLimits,
): Tensor {
  const { outputSize } = network;
  if (limits.lower.length !== outputSize || limits.upper.length !== outputSize) {
    throw new ShapeError(
      `there are ${limits.lower.length} lower and ${limits.upper.length} upper limits, expected ${outputSize} each`,
    );
  }
  const { lower, upper } = outputBounds(tape, network, inputs, eps);
  const row = (values: readonly number[]): Tensor => tape.tensor(values, [1, outputSize]);
  const above = tape.relu(tape.subtract(upper, row(limits.upper)));
  const below = tape.relu(tape.subtract(row(limits.lower), lower));
  return tape.scale(tape.sum(tape.add(above, below)), 1 / inputs.shape[0]);
}
