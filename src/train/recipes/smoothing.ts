import { attackSmoothed, repeated, withNoise } from '../attack.js';
import type { Recipe } from '../recipe.js';
import { derivedSeed } from '../seeds.js';
import { common } from './standard.js';

/**
 * Training for randomized smoothing (closed-form paper, Appendix C.1.2, eq. 38): cross entropy of noisy views of
 * images that an l2 attack moved, half the Jensen-Shannon divergence between an image's views, a tenth of the
 * cross entropy of the clean image.
 */
export const smoothing: Recipe = {
  name: 'smoothing',
  summary: 'noisy views of attacked images, made to agree',
  training: { ...common, epochs: 8, finalRate: 0, ema: 0.999 },
  settings: {
    sigma: 0.25,
    views: 4,
    consistency: 0.5,
    cleanMix: 0.1,
    eps: 1,
    stepSize: 0.2,
    steps: 5,
    samples: 4,
  },
  start(_tape, _network, { sigma, views, consistency, cleanMix, eps, stepSize, steps, samples }) {
    return {
      state: [],
      loss({ tape, network, images, labels, smoothing: spread, seed }) {
        const attack = { eps, stepSize, steps, sigma, samples, seed: derivedSeed(seed, 1) };
        const attacked = attackSmoothed(tape, network, images, labels, attack);
        const noisy = withNoise(tape, attacked, sigma, views, derivedSeed(seed, 2));
        const logits = network.forward(tape, noisy);
        const [rows, classes] = [labels.length, network.outputSize];
        const parts = Array.from({ length: views }, (_, view) => {
          const from = view * rows * classes;
          const indices = Int32Array.from({ length: rows * classes }, (_unused, i) => from + i);
          return tape.gather(logits, indices, [rows, classes]);
        });
        const terms = [
          tape.crossEntropy(logits, repeated(labels, views), spread),
          tape.scale(tape.crossEntropy(network.forward(tape, images), labels, spread), cleanMix),
          ...(views > 1 ? [tape.scale(tape.jensenShannon(parts), consistency)] : []),
        ];
        return { logits: parts[0], loss: terms.reduce((sum, term) => tape.add(sum, term)) };
      },
    };
  },
};
