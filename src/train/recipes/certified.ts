import { attackLinf, pixelRange } from '../attack.js';
import { hiddenIntervals, inputBox, marginBounds, worstCrossEntropies } from '../bounds.js';
import { l1Norm } from '../penalties.js';
import type { Recipe } from '../recipe.js';
import { common } from './standard.js';

/**
 * Expressive losses in their simplest form, MTL-IBP (De Palma et al., arXiv 2305.13991): the cross
 * entropy at an attacked image and the one that interval bounds allow, mixed. A small share of the second keeps a
 * network easy to bound without holding back its accuracy; an l1 penalty on the weights tightens bounds further.
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
    attackEps: 0.045,
    attackSteps: 2,
    boundEps: 0.045,
    share: 0.03,
    l1: 2e-6,
    warmUp: 0.3,
  },
  start(_tape, _network, { attackEps, attackSteps, boundEps, share, l1, warmUp }) {
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
        const bounded = tape.mean(worstCrossEntropies(tape, marginBounds(tape, network, last, labels)));
        const mixed = tape.add(tape.scale(attackedLoss, 1 - share), tape.scale(bounded, share));
        if (l1 === 0) return { logits, loss: mixed };
        return { logits, loss: tape.add(mixed, tape.scale(l1Norm(tape, network), l1)) };
      },
    };
  },
};
