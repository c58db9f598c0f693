/** Boxes of neurons behind affine maps that do not fold into one, and boxes that the proof makes itself. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Verifier, ballLinf, evaluate, rows } from '../src/index.js';
import { NetworkBuilder, Random, networkKinds } from './support/random-networks.js';
import { samplePoints } from './support/sampling.js';

let verifier: Verifier;
beforeAll(() => {
  verifier = new Verifier({ threads: 2 });
});
afterAll(() => verifier.close());

/** A convolution of 64 pixels that two inputs make. */
function fewInputs() {
  const random = new Random(3);
  const network = new NetworkBuilder([2], random);
  const pixels = network.reshape(network.linear(0, 64), [1, 8, 8]);
  const hidden = network.relu(network.conv(pixels, 3, { kernel: [3, 3], pads: [1, 1, 1, 1] }));
  network.linear(hidden, 4);
  return network.model();
}

it('sees through two affine maps to the few inputs that move all pixels', async () => {
  const model = fewInputs();
  const random = new Random(4);
  const region = ballLinf([random.vector(2, 0, 1)], 0.02);
  const c = [0, 1, 2, 3].map((row) => Float64Array.from({ length: 4 }, (_, j) => (j === row ? 1 : 0)));
  const bounds = (assurance: 'none' | 'real') =>
    verifier.bounds(model, region, {
      specification: rows(c),
      method: 'joint',
      boxes: 'crown',
      upper: true,
      assurance,
    });
  const [believed, proven] = [await bounds('none'), await bounds('real')];
  const outputs = samplePoints(random, region, 0, 2000).map((x) => evaluate(model.graph, x));
  for (const row of c.keys()) {
    const values = outputs.map((y) => y[row]);
    const [least, most] = [Math.min(...values), Math.max(...values)];
    for (const { lower, upper } of [believed, proven]) {
      expect(lower[row]).toBeLessThanOrEqual(least + 1e-6);
      expect(upper![row]).toBeGreaterThanOrEqual(most - 1e-6);
      // Pixel by pixel, hundreds of neurons would look open, and the range several times as wide.
      expect(upper![row] - lower[row]).toBeLessThan(1.5 * (most - least));
    }
  }
});

describe.each(Object.keys(networkKinds))('%s', (kind) => {
  it("bounds by the proof's own boxes and by claims on them agree", async () => {
    const random = new Random(40 + kind.length);
    const model = networkKinds[kind](random);
    const region = ballLinf(
      [0, 1, 2].map(() => random.vector(model.inputSize, 0, 1)),
      [0.01, 0.05, 0.2],
    );
    const options = {
      specification: rows([random.normals(model.outputSize), random.normals(model.outputSize)]),
      method: 'joint',
      boxes: 'crown',
    } as const;
    const own = await verifier.bounds(model, region, options);
    const claimed = await verifier.bounds(model, region, { ...options, multipliers: true });
    own.lower.forEach((bound, i) => {
      expect(Math.abs(bound - claimed.lower[i])).toBeLessThan(2e-2 * (1 + Math.abs(bound)));
    });
  });
});
