/** Ball multipliers per neuron: never below joint, never above an attack, worth their while, and for l2 balls alone. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  InvalidArgumentError,
  Verifier,
  ballL2,
  ballLinf,
  loadImages,
  loadLabels,
  loadModel,
  margins,
  rows,
} from '../src/index.js';
import { Random, networkKinds } from './support/random-networks.js';

let verifier: Verifier;
beforeAll(() => {
  verifier = new Verifier({ threads: 2 });
});
afterAll(() => verifier.close());

const mean = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0) / values.length;

describe('against joint and an attack', () => {
  /** Of what joint leaves to the attack, networks of matrices alone give most away. */
  it.each([
    ['deep and narrow', 0.1],
    ['wide', 0.1],
    ['convolutions', 0],
    ['residual', 0],
    ['shared', 0],
  ])('%s', async (kind, least) => {
    const gains: number[] = [];
    for (let seed = 0; seed < 6; seed += 1) {
      const random = new Random(10 + seed);
      const model = networkKinds[kind](random);
      const centers = [0, 1, 2].map(() => random.vector(model.inputSize, 0, 1));
      const region = ballL2(centers, 0.3, seed % 2 ? { clip: [0, 1] } : {});
      const specification = rows([0, 1, 2].map(() => random.normals(model.outputSize)));
      const joint = await verifier.bounds(model, region, { specification, method: 'joint' });
      const weighted = await verifier.bounds(model, region, { specification, method: 'weighted' });
      const attack = await verifier.attack(model, region, { specification, steps: 40, restarts: 8 });
      for (const [row, bound] of weighted.lower.entries()) {
        expect(bound).toBeLessThanOrEqual(attack.value[row]);
        // Proven from the same multipliers, and then only replaced by what is better.
        expect(bound).toBeGreaterThanOrEqual(joint.lower[row]);
      }
      gains.push((mean(weighted.lower) - mean(joint.lower)) / (mean(attack.value) - mean(joint.lower)));
    }
    expect(Math.max(...gains)).toBeGreaterThanOrEqual(least);
  });
});

describe('what it is not for', () => {
  const problem = () => {
    const random = new Random(1);
    const model = networkKinds.wide(random);
    const center = random.vector(model.inputSize, 0, 1);
    return { model, center, specification: rows([random.normals(model.outputSize)]) };
  };
  it.each([
    [{ assurance: 'none' }, /assurance is 'none', expected 'real' or 'float32'/],
    [{ coefficients: true }, /coefficients cannot be had with method 'weighted'/],
    [{ multipliers: true }, /multipliers \(nor certificates\) cannot be had/],
  ] as const)('%o', async (options, message) => {
    const { model, center, specification } = problem();
    const call = verifier.bounds(model, ballL2(center, 0.1), {
      specification,
      method: 'weighted',
      ...options,
    });
    await expect(call).rejects.toThrow(InvalidArgumentError);
    await expect(call).rejects.toThrow(message);
  });

  it('other regions', async () => {
    const { model, center, specification } = problem();
    const call = verifier.bounds(model, ballLinf(center, 0.1), { specification, method: 'weighted' });
    await expect(call).rejects.toThrow(/'weighted' is for l2 balls, the region is of kind 'linf'/);
  });
});

const folder = fileURLToPath(new URL('../../shared/data/sdp-crown', import.meta.url));
describe.skipIf(!existsSync(folder))('the published MLP (skipped without ../shared)', () => {
  it('gains a fifth of what joint leaves to an attack', async () => {
    const model = await loadModel(`${folder}/models/mnist_mlp.onnx`);
    const from = { inputShape: model.inputShape, layout: 'nhwc', limit: 3 } as const;
    const { data, size } = await loadImages(`${folder}/mnist/X_sdp.npy`, from);
    const { labels } = await loadLabels(`${folder}/mnist/y_sdp.npy`, { classes: 10, limit: 3 });
    const centers = [0, 1, 2].map((image) => data.subarray(image * size, (image + 1) * size));
    const region = ballL2(centers, 1, { clip: [0, 1] });
    const specification = margins(labels);
    const { value } = await verifier.attack(model, region, { specification, steps: 40, restarts: 8 });
    const [joint, real, float32] = await Promise.all(
      (
        [
          ['joint', 'real'],
          ['weighted', 'real'],
          ['weighted', 'float32'],
        ] as const
      ).map(async ([method, assurance]) => {
        const { lower } = await verifier.bounds(model, region, { specification, method, assurance });
        return lower;
      }),
    );
    for (const [row, bound] of real.entries()) expect(bound).toBeLessThanOrEqual(value[row]);
    const gained = (lower: Float64Array) => (mean(lower) - mean(joint)) / (mean(value) - mean(joint));
    expect(gained(real)).toBeGreaterThan(0.2);
    expect(gained(float32)).toBeGreaterThan(0.2);
  });
});
