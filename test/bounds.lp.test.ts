/** With boxes given and no ball, the optimum of the dual is that of the triangle relaxation. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Verifier, ballLinf, rows } from '../src/index.js';
import { intervalBoxes, triangleOptimum } from './support/lp.js';
import { Random, linearNetwork } from './support/random-networks.js';

let verifier: Verifier;
beforeAll(() => {
  verifier = new Verifier({ threads: 1 });
});
afterAll(() => verifier.close());

const networks = [
  { sizes: [3, 6, 2], eps: 0.5 },
  { sizes: [6, 10, 8, 3], eps: 0.2 },
  { sizes: [6, 10, 8, 3], eps: 0.6 },
  { sizes: [10, 15, 15, 4], eps: 0.1 },
  { sizes: [5, 8, 8, 8, 2], eps: 0.5 },
];

describe('the optimised dual and the triangle relaxation', () => {
  it.each(networks)('$sizes, eps $eps', async ({ sizes, eps }) => {
    const random = new Random(11 * sizes.length + 1000 * eps);
    const model = linearNetwork(random, sizes);
    const region = ballLinf(random.vector(sizes[0], -1, 1), eps);
    const c = [0, 1, 2].map(() => random.normals(model.outputSize));
    const options = { specification: rows(c), method: 'joint', boxes: 'cheap' } as const;
    const { lower } = await verifier.bounds(model, region, {
      ...options,
      iterations: 4000,
      learningRate: 0.1,
      decay: 0.998,
    });
    const start = await verifier.bounds(model, region, { ...options, iterations: 0 });
    const input = { lower: region.lower!, upper: region.upper! };
    const boxes = intervalBoxes(model.graph, input);
    for (const [row, coefficients] of c.entries()) {
      const optimum = await triangleOptimum(model.graph, input, boxes, coefficients);
      const scale = Math.max(1, Math.abs(optimum));
      // Not above it, but for float32 and the slack of the engine's boxes; and not far below.
      expect(lower[row]).toBeLessThan(optimum + 1e-5 * scale);
      expect(lower[row]).toBeGreaterThan(optimum - 1e-3 * scale);
      // The optimum is not where the ascent starts.
      expect(start.lower[row]).toBeLessThan(optimum + 1e-5 * scale);
    }
    const gains = c.map((_, row) => lower[row] - start.lower[row]);
    expect(Math.max(...gains)).toBeGreaterThan(0.01);
  });
});
