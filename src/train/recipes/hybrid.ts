import type { Tape, Tensor } from '../../autodiff/index.js';
import { attackLinf, pixelRange } from '../attack.js';
import { hiddenIntervals, inputBox } from '../bounds.js';
import { closedFormRadii, crownLower, marginRows, mixedPenalty, softMin } from '../crown.js';
import { jointAlpha, paperJointAlpha } from '../joint-alpha.js';
import type { TrainableNetwork } from '../network.js';
import { SpectralPenalty, cleanMargins } from '../penalties.js';
import type { Recipe, Settings, StepContext } from '../recipe.js';
import { common } from './standard.js';

/** Radii at which bounds are computed, as shares of the largest: 0.010, 0.015, ..., 0.030 in the paper. */
const levels = [1 / 3, 1 / 2, 2 / 3, 5 / 6, 1] as const;

/** Goals of the certified radius as shares of its domain; the paper names these three, varying across training. */
const goals = [0.65, 0.7, 0.75] as const;

/** Spectral norms that layers are held to, the last one for all further layers. */
const normTargets = [2, 2, 1.5] as const;

/**
 * Algorithm 3 of the closed-form paper: PGD on every image, a penalty on the closed-form certified radius of
 * the hardest few, spectral and clean-margin terms. What the paper leaves open is a setting here: the penalty's
 * weight (`lambda`), the sharpness of eq. 16 (`kappa`), the weight of the spectral term, the clean margin's goal.
 */
export const hybrid: Recipe = {
  name: 'hybrid',
  summary: 'attacked images, and the certified radii of hard ones (Algorithm 3)',
  training: {
    ...common,
    epochs: 8,
    rate: 3e-3,
    finalRate: 8e-4,
    weightDecay: 5e-4,
    clip: 0.8,
    ema: 0.997,
  },
  settings: {
    eps: 0.03,
    stepSize: 0.00375,
    steps: 10,
    restarts: 1,
    screened: 24,
    processed: 6,
    lambda: 0.02,
    kappa: 0.002,
    cleanMargin: 0.3,
    marginGoal: 1,
    spectral: 0.001,
  },
  start(tape, network, settings) {
    const spectral = new SpectralPenalty(tape, network);
    return {
      state: spectral.state,
      loss(step) {
        const { images, labels, smoothing, seed } = step;
        const { eps, stepSize, steps, restarts } = settings;
        const attacked = attackLinf(tape, network, images, labels, { eps, stepSize, steps, restarts, seed });
        const logits = network.forward(tape, attacked);
        const clean = cleanMargins(tape, network.forward(tape, images), labels);
        const terms = [
          tape.crossEntropy(logits, labels, smoothing),
          tape.scale(
            tape.mean(tape.softplus(tape.scale(clean, -1, settings.marginGoal))),
            settings.cleanMargin,
          ),
          ...spectral.norms(tape, network).map((norm, k) => {
            const target = normTargets[Math.min(k, normTargets.length - 1)];
            return tape.scale(tape.square(tape.relu(tape.scale(norm, 1, -target))), settings.spectral);
          }),
        ];
        const hard = hardest(step, settings, clean);
        if (hard.length > 0) {
          terms.push(tape.scale(radiusPenalty(step, settings, hard), settings.lambda));
        }
        return { logits, loss: terms.reduce((sum, term) => tape.add(sum, term)) };
      },
    };
  },
};

/** Rows of the batch, their images and labels, in tape memory. */
function pick(tape: Tape, { images, labels }: StepContext, rows: readonly number[]): [Tensor, Int32Array] {
  const size = images.shape[1];
  const chosen = tape.empty([rows.length, size]);
  rows.forEach((row, i) =>
    tape.arithmetic.copy(images.storage, chosen.storage, { from: row * size, to: i * size, count: size }),
  );
  return [chosen, Int32Array.from(rows, (row) => labels[row])];
}

/**
 * Screening: of the rightly classified images those with the smallest clean margins, at most `screened`; of
 * these the ones with the smallest certified radii, at most `processed`. Images that are far beyond reach are
 * left to the attack: a wrong image has no radius to grow.
 */
function hardest(step: StepContext, { eps, screened, processed, kappa }: Settings, clean: Tensor): number[] {
  const { tape, network } = step;
  const margins = tape.read(clean);
  const right = Array.from({ length: clean.size }, (_, row) => row).filter((row) => margins[row] > 0);
  const candidates = right.sort((a, b) => margins[a] - margins[b]).slice(0, screened);
  if (candidates.length <= processed) return candidates;
  return tape.scope(() => {
    const [images, labels] = pick(tape, step, candidates);
    const domain = tape.filled([labels.length, 1], eps);
    const radii = tape.read(certifiedRadii(tape, network, images, labels, domain, { kappa, tighten: false }));
    const order = [...candidates.keys()].sort((a, b) => radii[a] - radii[b]);
    return order.slice(0, processed).map((i) => candidates[i]);
  });
}

/** Eq. 39 of the hard images' radii, averaged over images and levels. */
function radiusPenalty(step: StepContext, { eps, kappa }: Settings, hard: readonly number[]): Tensor {
  const { tape, network, progress } = step;
  const rows = levels.flatMap(() => hard);
  const [images, labels] = pick(tape, step, rows);
  const domain = levels.flatMap((share) => hard.map(() => share * eps));
  const radii = certifiedRadii(tape, network, images, labels, tape.tensor(domain, [rows.length, 1]), {
    kappa,
    tighten: true,
  });
  const share = goals[Math.min(goals.length - 1, Math.floor(progress * goals.length))];
  const goal = tape.tensor(
    domain.map((size) => share * size),
    [rows.length],
  );
  return tape.mean(mixedPenalty(tape, radii, goal));
}

/** Soft minimum over an image's margins of its closed-form radii, in boxes of the given sizes `[images, 1]`. */
export function certifiedRadii(
  tape: Tape,
  network: TrainableNetwork,
  images: Tensor,
  labels: Int32Array,
  domain: Tensor,
  { kappa, tighten }: { kappa: number; tighten: boolean },
): Tensor {
  const classes = network.outputSize;
  const { preActivations } = hiddenIntervals(tape, network, inputBox(tape, images, domain, pixelRange));
  const rows = marginRows(tape, labels, classes);
  const form = { perImage: classes - 1, cap: domain };
  const slopes = tighten
    ? jointAlpha(tape, network, preActivations, rows, images, form, paperJointAlpha)
    : undefined;
  const bound = crownLower(tape, network, preActivations, rows, slopes);
  return softMin(tape, closedFormRadii(tape, bound, images, form), kappa);
}
