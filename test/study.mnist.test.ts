/** The MNIST study's measurements on a small network, against bounds and bisections image by image. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ballLinf, margins, outputs } from '../src/problem/index.js';
import { Verifier } from '../src/verify/index.js';
import type { Model } from '../src/model/index.js';
import { type Measured, measure } from '../studies/mnist/measure.mjs';
import { csv, latex, markdown } from '../studies/mnist/tables.mjs';
import { Random, linearNetwork } from './support/random-networks.js';

const radii = [0.01, 0.05];
const verifier = new Verifier({ threads: 1 });
let model: Model;
let images: Float64Array[];
let labels: number[];
let measured: Measured;

beforeAll(async () => {
  const random = new Random(3);
  model = linearNetwork(random, [6, 14, 12, 3]);
  images = Array.from({ length: 12 }, () => random.vector(6, 0.2, 0.8));
  labels = Array.from(await verifier.predict(model, images));
  labels[4] = (labels[4] + 1) % 3;
  measured = await measure(model, { images, labels }, { radii, threads: 1 });
});
afterAll(() => verifier.close());

/** Whether one image is certified at a radius, by either criterion, by every bound that the study uses. */
async function certified(i: number, eps: number): Promise<{ logits: boolean; margins: boolean }> {
  const region = ballLinf([images[i]], eps, { clip: [0, 1] });
  let [byLogits, byMargins] = [false, false];
  for (const [method, boxes] of [
    ['crown', 'crown'],
    ['joint', 'crown'],
    ['joint', 'optimised'],
  ] as const) {
    const options = { method, boxes, iterations: 20, boxIterations: 10, learningRate: 0.3 };
    const all = await verifier.bounds(model, region, { ...options, specification: outputs(), upper: true });
    const others = [0, 1, 2].filter((j) => j !== labels[i]);
    byLogits ||= others.every((j) => all.lower[labels[i]] > all.upper![j]);
    const pairs = await verifier.bounds(model, region, { ...options, specification: margins(labels[i]) });
    byMargins ||= pairs.lower.every((bound) => bound > 0);
  }
  return { logits: byLogits, margins: byMargins };
}

describe('the MNIST study', () => {
  it('counts what is right, certified and unbroken', async () => {
    expect(measured.clean).toBeCloseTo(11 / 12, 12);
    for (const [at, eps] of radii.entries()) {
      const each = await Promise.all(images.map((_, i) => certified(i, eps)));
      for (const criterion of ['logits', 'margins'] as const) {
        const share = each.filter((one, i) => i !== 4 && one[criterion]).length / 12;
        expect(measured.fractions[criterion][at]).toBeCloseTo(share, 12);
      }
      expect(measured.fractions.margins[at]).toBeGreaterThanOrEqual(measured.fractions.logits[at]);
      expect(measured.pgd[at]).toBeGreaterThanOrEqual(measured.fractions.margins[at]);
      expect(measured.pgd[at]).toBeLessThanOrEqual(measured.clean);
    }
  });

  it('finds the median radius', async () => {
    const share = async (eps: number): Promise<number> => {
      const each = await Promise.all(images.map((_, i) => certified(i, eps)));
      return each.filter((one, i) => i !== 4 && one.margins).length / 12;
    };
    expect(await share(measured.median.margins)).toBeGreaterThanOrEqual(0.5);
    expect(await share(measured.median.margins + 3e-4)).toBeLessThan(0.5);
    expect(measured.median.margins).toBeGreaterThanOrEqual(measured.median.logits);
  });

  it("writes tables beside the paper's figures", () => {
    const first = { ...measured, seed: 1, trainingSeconds: 12.4, measuringSeconds: 3.6 };
    const entries = [
      { recipe: 'hybrid', results: [first, { ...measured, seed: 2, clean: 1 }] },
      { recipe: 'certified', results: [first] },
    ];
    const lines = markdown(entries, radii).trimEnd().split('\n');
    expect(lines).toHaveLength(5);
    expect(lines[2]).toMatch(/^\| hybrid \| 2 \| 95\.83 ± 5\.89 \|/);
    expect(lines[3]).toMatch(/^\| hybrid \(paper\) \| {2}\| 98\.33 \|/);
    expect(lines[4]).toMatch(/^\| certified \| 1 \| 91\.67 \|/);
    expect(new Set(lines.map((line) => line.split('|').length)).size).toBe(1);
    const networks = csv(entries, radii).trimEnd().split('\n');
    expect(networks).toHaveLength(4);
    expect(networks[2]).toMatch(/^hybrid,2,100\.00,.*,,$/);
    expect(networks[3]).toMatch(/^certified,1,91\.67,.*,12,4$/);
    expect(new Set(networks.map((line) => line.split(',').length)).size).toBe(1);
    expect(latex(entries, radii)).toContain('hybrid & 2 & 95.83 $\\pm$ 5.89');
  });
});
