import { describe, expect, it } from 'vitest';
import { NativeArithmetic, Tape } from '../src/autodiff/index.js';
import { TrainableNetwork, attackLinf, attackSmoothed, parseArchitecture } from '../src/train/index.js';
import { blobs } from './support/blobs.js';

const tape = new Tape(new NativeArithmetic({ threads: 1 }));
const network = new TrainableNetwork(parseArchitecture('36-16-3'), tape.arithmetic, 2);
const { images: pixels, labels } = blobs(30, 4);
const images = tape.tensor(pixels, [30, 36]);

const lossAt = (x: typeof images): number => tape.crossEntropy(network.forward(tape, x), labels).item();

describe('attacks of training', () => {
  it('stay in the l-infinity ball and in the pixels, and raise the loss; more starts raise it more', () => {
    const attack = { eps: 0.1, stepSize: 0.03, steps: 8, restarts: 1, seed: 5 };
    const one = attackLinf(tape, network, images, labels, attack);
    one.data.forEach((x, i) => {
      expect(Math.abs(x - pixels[i])).toBeLessThanOrEqual(0.1 + 1e-6);
      expect(x >= 0 && x <= 1).toBe(true);
    });
    expect(lossAt(one)).toBeGreaterThan(lossAt(images) + 0.05);
    const several = attackLinf(tape, network, images, labels, { ...attack, restarts: 4 });
    expect(lossAt(several)).toBeGreaterThanOrEqual(lossAt(one) - 1e-6);
  });

  it('stay in the l2 ball, and raise the loss of the noisy network', () => {
    const attack = { eps: 0.8, stepSize: 0.2, steps: 8, sigma: 0.1, samples: 4, seed: 5 };
    const attacked = attackSmoothed(tape, network, images, labels, attack);
    for (let row = 0; row < 30; row++) {
      const step = attacked.data.subarray(36 * row, 36 * row + 36).map((x, i) => x - pixels[36 * row + i]);
      expect(Math.hypot(...step)).toBeLessThanOrEqual(0.8 + 1e-5);
      expect(Math.hypot(...step)).toBeGreaterThan(0.1);
    }
    expect(lossAt(attacked)).toBeGreaterThan(lossAt(images) + 0.1);
  });
});
