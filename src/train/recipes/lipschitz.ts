import { InvalidArgumentError } from '../../errors.js';
import { SpectralPenalty } from '../penalties.js';
import type { Recipe } from '../recipe.js';
import { common, standard } from './standard.js';

/**
 * Two phases, as the SDP-CROWN paper trains its networks (Appendix A): first cross entropy; then, from
 * scratch, the first network's outputs as labels (KL divergence) with a loss on the new network's spectral norms, which
 * pulls every layer towards norm `target`. With all of them at 1 the network is 1-Lipschitz. The norms are
 * power iterations: estimates to train with; the verifier computes sound ones.
 */
export const lipschitz: Recipe = {
  name: 'lipschitz',
  summary: "another network's outputs, under small spectral norms",
  training: { ...common, epochs: 20, finalRate: 1e-5, weightDecay: 0, clip: 10 },
  settings: { spectral: 0.05, target: 1, temperature: 1 },
  teacher: standard,
  start(tape, network, { spectral, target, temperature }, teacher) {
    if (teacher === undefined) throw new InvalidArgumentError('recipe lipschitz: there is no first network');
    const penalty = new SpectralPenalty(tape, network);
    return {
      state: penalty.state,
      loss({ images }) {
        const logits = network.forward(tape, images);
        const labels = tape.stopGradient(tape.scale(teacher.forward(tape, images), 1 / temperature));
        const excess = penalty
          .norms(tape, network)
          .map((norm) => tape.square(tape.relu(tape.scale(norm, 1, -target))))
          .reduce((sum, term) => tape.add(sum, term));
        const loss = tape.add(tape.klDivergence(labels, logits), tape.scale(excess, spectral));
        return { logits, loss };
      },
    };
  },
};
