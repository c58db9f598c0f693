/** Counting the floating-point operations that a computation cannot do without (2 per multiply-add). */
import { Verifier } from '../dist/index.js';

/** Multiply-adds of one pass through the network, or through its first `count` affine operators. */
export function multiplyAdds(model, count = Infinity) {
  const { nodes } = model.graph;
  const affine = nodes.filter(({ op }) => op === 'linear' || op === 'conv').slice(0, count);
  return affine.reduce((sum, node) => {
    if (node.op === 'linear') return sum + node.weight.length;
    const pixels = node.shape[1] * node.shape[2];
    return sum + node.weight.length * pixels;
  }, 0);
}

/** Nominal run and interval steps (centre and radius) of one image. */
export function boxOperations(model) {
  return 6 * multiplyAdds(model);
}

/** Rows through the dual: a backward pass for each evaluation and a forward pass for each step between. */
export function ascentOperations(model, iterations) {
  const pass = 2 * multiplyAdds(model);
  return iterations.reduce((sum, steps) => sum + (2 * steps + 1) * pass, 0);
}

/**
 * A verifier that counts what its bounds need: boxes of every image, and the steps that each row reports.
 * Attacks and the rows of optimised boxes do not report theirs, so the count is below the truth.
 */
export class CountingVerifier extends Verifier {
  operations = 0;

  async bounds(model, region, options) {
    const bounds = await super.bounds(model, region, options);
    this.operations += region.count * boxOperations(model) + ascentOperations(model, bounds.iterations);
    return bounds;
  }
}
