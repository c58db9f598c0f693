import type { Tape, Tensor } from '../autodiff/index.js';
import type { Interval } from './bounds.js';
import { type RadiusForm, closedFormRadii, crownLower } from './crown.js';
import type { TrainableNetwork } from './network.js';

export interface JointAlphaOptions {
  readonly steps: number;
  /** Of Adam on the slopes, which stay in [0, 1]. */
  readonly rate: number;
  /** Sharpness of the soft minimum over an image's rows, from the first step to the last. */
  readonly sharpness: readonly [number, number];
}

/** The paper's: 6 steps of Adam, learning rate 0.12, temperature 10 to 24. */
export const paperJointAlpha: JointAlphaOptions = { steps: 6, rate: 0.12, sharpness: [10, 24] };

/**
 * Slopes of all hidden layers' lower lines together, improved by a few Adam steps on the soft minimum of
 * each image's margins over the box, with the weights as they are. The starting point is CROWN's choice.
 * The paper names a temperature without saying of what; here it sharpens that soft minimum.
 *
 * @returns slopes in [0, 1] per hidden layer, `[images, neurons]`, as constants for `crownLower`.
 */
export function jointAlpha(
  tape: Tape,
  network: TrainableNetwork,
  preActivations: readonly Interval[],
  rows: Tensor,
  centres: Tensor,
  radius: RadiusForm,
  { steps, rate, sharpness }: JointAlphaOptions,
): Tensor[] {
  const fixed = preActivations.map(({ centre, radius: width }) => ({
    centre: tape.stopGradient(centre),
    radius: tape.stopGradient(width),
  }));
  const slopes = fixed.map(({ centre }) => {
    const start = tape.empty(centre.shape);
    tape.arithmetic.unary('step', centre.storage, start.storage);
    return start;
  });
  const moments = slopes.map(({ shape }) => [tape.filled(shape, 0), tape.filled(shape, 0)]);
  const [least, most] = [tape.filled([], 0), tape.filled([], 1)];
  for (let step = 1; step <= steps; step++) {
    const part = steps > 1 ? (step - 1) / (steps - 1) : 1;
    const sharp = sharpness[0] + (sharpness[1] - sharpness[0]) * part;
    tape.scope(() => {
      const bound = crownLower(tape, network, fixed, rows, slopes);
      const radii = closedFormRadii(tape, bound, centres, radius);
      const loss = tape.sum(tape.logSumExp(tape.scale(tape.divide(radii, radius.cap), -sharp)));
      tape.grad(loss, slopes).forEach((gradient, k) => {
        const form = { rate, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0, step, gradientScale: 1 };
        const { storage, shape } = slopes[k];
        const [first, second] = moments[k];
        tape.arithmetic.adam(gradient.storage, storage, first.storage, second.storage, form);
        const layout = tape.layout(shape, shape, []);
        tape.arithmetic.binary('max', storage, least.storage, storage, layout);
        tape.arithmetic.binary('min', storage, most.storage, storage, layout);
      });
    });
  }
  return slopes;
}
