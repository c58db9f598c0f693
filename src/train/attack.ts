import type { Tape, Tensor } from '../autodiff/index.js';
import type { TrainableNetwork } from './network.js';
import { derivedSeed } from './seeds.js';

export interface LinfAttack {
  readonly eps: number;
  /** Length of a step along the gradient's sign. */
  readonly stepSize: number;
  readonly steps: number;
  /** Starts, each uniform in the ball; per image the one with the largest loss is kept. */
  readonly restarts: number;
  readonly seed: number;
}

/** Pixels' range. */
export const pixelRange = { low: 0, high: 1 } as const;

/**
 * Algorithm 2 of the closed-form paper: projected gradient ascent of the cross entropy in the l-infinity ball
 * intersected with [0, 1]. The weights stay as they are.
 *
 * @returns `[rows, size]` images in tape memory.
 */
export function attackLinf(
  tape: Tape,
  network: TrainableNetwork,
  images: Tensor,
  labels: Int32Array,
  { eps, stepSize, steps, restarts, seed }: LinfAttack,
): Tensor {
  const best = tape.empty(images.shape);
  const worstLoss = new Float64Array(labels.length).fill(-Infinity);
  const size = images.shape[1];
  for (let restart = 0; restart < restarts; restart++) {
    tape.scope(() => {
      const x = tape.empty(images.shape);
      tape.arithmetic.uniform(x.data, derivedSeed(seed, restart), -eps, eps);
      tape.arithmetic.combine(images.data, x.data, 1, 1);
      const form = { step: stepSize, radius: eps, ...pixelRange };
      for (let step = 0; step < steps; step++) {
        tape.scope(() => {
          const loss = tape.sum(tape.crossEntropies(network.forward(tape, x), labels));
          const [gradient] = tape.grad(loss, [x]);
          tape.arithmetic.signStep(gradient.data, images.data, x.data, form);
        });
      }
      if (restarts === 1) {
        best.data.set(x.data);
        return;
      }
      const losses = tape.crossEntropies(network.forward(tape, x), labels).data;
      for (let row = 0; row < labels.length; row++) {
        if (losses[row] <= worstLoss[row]) continue;
        worstLoss[row] = losses[row];
        best.data.set(x.data.subarray(row * size, (row + 1) * size), row * size);
      }
    });
  }
  return best;
}
