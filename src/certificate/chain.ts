/** How far a ReLU's input can be from nominal, by what passes the ReLU before it. */
import { gamma, normUp } from './arithmetic.js';
import type { Fact, Problem } from './facts.js';

/** `|| z - nominal ||^2 <= square || relu(y) - relu(nominal of y) ||^2 + rest`, y what node `relu` takes. */
export interface BallChain {
  readonly relu: number;
  readonly square: number;
  readonly rest: number;
}

/**
 * Lemma 7. If affine nodes alone lead from a ReLU, with values x, to z, then || z - nominal || <= a + d for
 * a = norm || x - nominal of x ||, norm the product of their norms, and d what their drifts come to, each
 * times the norms behind it (facts.ts). And (a + d)^2 <= (1 + t) a^2 + (1 + 1 / t) d^2 for every t > 0. The
 * nominal x are relu(nominal y).
 *
 * @param at the node that gives z.
 * @returns undefined where something else comes first.
 */
export function ballChain(
  { layers, norms }: Pick<Problem, 'layers' | 'norms'>,
  facts: readonly Fact[],
  at: number,
): BallChain | undefined {
  const up = 1 + gamma(8);
  let [relu, norm, drift] = [at, 1, 0];
  for (let layer = layers[at]; layer.op === 'affine'; layer = layers[relu]) {
    drift = (drift + norm * normUp(facts[relu].drift)) * up;
    norm *= norms[relu] * up;
    relu = layer.affine!.start;
  }
  if (layers[relu].op !== 'relu') return undefined;
  // In float32 a ReLU may flush what it passes.
  drift = (drift + norm * normUp(facts[relu].loss)) * up;
  // Close to d / a at the largest a, where nothing is then lost.
  const t = Math.min(Math.max(drift / (norm * facts[relu].radius), 2 ** -60), 2 ** 60) || 1;
  return { relu, square: norm * norm * (1 + t) * up, rest: drift * drift * (1 + 1 / t) * up };
}
