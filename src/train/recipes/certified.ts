import { attackLinf, pixelRange } from '../attack.js';
import { hiddenIntervals, inputBox, marginBounds, worstCrossEntropies, worstLogits } from '../bounds.js';
import { l1Norm } from '../penalties.js';
import type { Recipe } from '../recipe.js';
import { common } from './standard.js';

/**
 * Expressive losses in their simplest form, MTL-IBP (De Palma et al., arXiv 2305.13991): the cross
 * entropy at an attacked image and the one that interval bounds allow, mixed. A small share of the second keeps a
 * network easy to bound without holding back its accuracy; an l1 penalty on the weights tightens bounds further.
 * Of what is bounded, `separation` is the share by logits, each for itself, as the closed-form paper certifies; the rest is by
 * margins. With logits alone the two criteria hardly differ in the end, and margins lose little.
 */
export const certified: Recipe = {
  name: 'certified',
  summary: 'attacked images mixed with interval bounds',
  training: {
    ...common,
    epochs: 50,
    rate: 2e-3,
    finalRate: 2e-5,
    weightDecay: 0,
    clip: 10,
    ema: 0.999,
    shift: 1,
  },
  settings: {
    attackEps: 0.04,
    attackSteps: 2,
    boundEps: 0.04,
    share: 0.04,
    separation: 1,
    l1: 2e-6,
    warmUp: 0.3,
  },
  start(_tape, _network, { attackEps, attackSteps, boundEps, share, separation, l1, warmUp }) {
    return {
      state: [],
      loss({ tape, network, images, labels, smoothing, progress, seed }) {
        // Both radii grow from 0 over the warm-up.
        const grown = warmUp > 0 ? Math.min(1, progress / warmUp) : 1;
        const eps = grown * attackEps;
        const attack = { eps, stepSize: (1.5 * eps) / attackSteps, steps: attackSteps, restarts: 1, seed };
        const attacked =
          attackSteps > 0 && eps > 0 ? attackLinf(tape, network, images, labels, attack) : images;
        const logits = network.forward(tape, attacked);
        const attackedLoss = tape.crossEntropy(logits, labels, smoothing);
        const { last } = hiddenIntervals(tape, network, inputBox(tape, images, grown * boundEps, pixelRange));
        const byMargins = tape.mean(worstCrossEntropies(tape, marginBounds(tape, network, last, labels)));
        const byLogits = tape.crossEntropy(worstLogits(tape, network, last, labels), labels, 0);
        const mixed = [
          tape.scale(attackedLoss, 1 - share),
          tape.scale(byMargins, share * (1 - separation)),
          tape.scale(byLogits, share * separation),
        ].reduce((sum, term) => tape.add(sum, term));
        if (l1 === 0) return { logits, loss: mixed };
        return { logits, loss: tape.add(mixed, tape.scale(l1Norm(tape, network), l1)) };
      },
    };
  },
};
