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

export interface L2Attack {
  readonly eps: number;
  /** Length of a step along the gradient. */
  readonly stepSize: number;
  readonly steps: number;
  /** Standard deviation of the Gaussian noise that the attacked classifier is averaged over, and draws per step. */
  readonly sigma: number;
  readonly samples: number;
  readonly seed: number;
}

/** Images repeated `copies` times, whole set after whole set, each with noise of its own. */
export function withNoise(tape: Tape, images: Tensor, sigma: number, copies: number, seed: number): Tensor {
  const noise = tape.empty([copies, images.size]);
  tape.arithmetic.gaussian(noise.storage, seed, sigma);
  const noisy = tape.add(noise, tape.reshape(images, [1, images.size]));
  return tape.reshape(noisy, [copies * images.shape[0], images.shape[1]]);
}

/** `labels` repeated `copies` times. */
export function repeated(labels: Int32Array, copies: number): Int32Array {
  return Int32Array.from({ length: copies * labels.length }, (_, i) => labels[i % labels.length]);
}

/**
 * Projected gradient ascent in the l2 ball on the cross entropy's mean over Gaussian noise (expectation over
 * transformations), which is what a smoothed classifier is attacked by. Pixels are not clipped: noise leaves
 * their range anyway.
 *
 * @returns `[rows, size]` images in tape memory.
 */
export function attackSmoothed(
  tape: Tape,
  network: TrainableNetwork,
  images: Tensor,
  labels: Int32Array,
  { eps, stepSize, steps, sigma, samples, seed }: L2Attack,
): Tensor {
  const attacked = tape.stopGradient(images);
  const all = repeated(labels, samples);
  for (let step = 0; step < steps; step++) {
    tape.scope(() => {
      const noisy = withNoise(tape, attacked, sigma, samples, derivedSeed(seed, step));
      const loss = tape.sum(tape.crossEntropies(network.forward(tape, noisy), all));
      const [gradient] = tape.grad(loss, [attacked]);
      const unit = tape.divide(gradient, tape.scale(lengths(tape, gradient), 1, 1e-12));
      const moved = tape.subtract(tape.add(attacked, tape.scale(unit, stepSize)), images);
      // Back to the ball along the radius: factor eps / max(eps, length).
      const limit = tape.filled([], eps);
      const factor = tape.divide(limit, tape.max(lengths(tape, moved), limit));
      tape.arithmetic.copy(tape.add(images, tape.multiply(moved, factor)).storage, attacked.storage);
    });
  }
  return attacked;
}

function lengths(tape: Tape, x: Tensor): Tensor {
  return tape.norm2(x, { axes: [1], keep: true });
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
  const worstLosses = tape.filled([labels.length], -Infinity);
  for (let restart = 0; restart < restarts; restart++) {
    tape.scope(() => {
      const x = restarts === 1 ? best : tape.empty(images.shape);
      tape.arithmetic.uniform(x.storage, derivedSeed(seed, restart), -eps, eps);
      tape.arithmetic.combine(images.storage, x.storage, 1, 1);
      const form = { step: stepSize, radius: eps, ...pixelRange };
      for (let step = 0; step < steps; step++) {
        tape.scope(() => {
          const loss = tape.sum(tape.crossEntropies(network.forward(tape, x), labels));
          tape.signStep(loss, x, images, form);
        });
      }
      if (restarts === 1) return;
      const losses = tape.crossEntropies(network.forward(tape, x), labels);
      tape.arithmetic.keepLarger(losses.storage, x.storage, worstLosses.storage, best.storage);
    });
  }
  return best;
}
