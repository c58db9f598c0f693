import { describe, expect, it } from 'vitest';
import { ShapeError } from '../src/errors.js';
import { type DualProblem, dualGradient } from '../src/train/index.js';
import { Random } from './support/random-networks.js';

const sizes = [4, 7, 6, 3];

/** Random layers, boxes that hold (intervals, widened), and any multipliers: all of them bound. */
function problem(seed: number): DualProblem {
  const random = new Random(seed);
  const layers = sizes.slice(1).map((outputs, k) => ({
    weight: random.normals(outputs * sizes[k], 0.7),
    bias: random.normals(outputs, 0.2),
  }));
  const centre = random.vector(sizes[0], -1, 1);
  const box = { lower: centre.map((x) => x - 0.2), upper: centre.map((x) => x + 0.2) };
  let [lower, upper] = [box.lower, box.upper];
  const preActivations = layers.slice(0, -1).map(({ weight, bias }) => {
    const inputs = lower.length;
    const end = (sign: number): Float64Array =>
      bias.map((b, row) => {
        let sum = b;
        for (let i = 0; i < inputs; i++) {
          const w = weight[row * inputs + i];
          sum += w * (sign * w > 0 ? upper[i] : lower[i]);
        }
        return sum + sign * 0.01;
      });
    const z = { lower: end(-1), upper: end(1) };
    [lower, upper] = [z.lower.map((x) => Math.max(x, 0)), z.upper.map((x) => Math.max(x, 0))];
    return z;
  });
  return { layers, box, preActivations, multipliers: sizes.slice(1).map((size) => random.normals(size)) };
}

describe('dualGradient', () => {
  it('bounds the row from below, whatever the multipliers', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const { layers, box, preActivations, multipliers } = problem(seed);
      const { value } = dualGradient({ layers, box, preActivations, multipliers });
      const random = new Random(100 + seed);
      for (let round = 0; round < 50; round++) {
        let x = Float64Array.from(box.lower as Float64Array, (low, i) => random.uniform(low, box.upper[i]));
        layers.forEach(({ weight, bias }, k) => {
          const inputs = x.length;
          const z = Float64Array.from(bias as Float64Array, (b, row) => {
            let sum = b;
            for (let i = 0; i < inputs; i++) sum += weight[row * inputs + i] * x[i];
            return sum;
          });
          x = k + 1 < layers.length ? z.map((entry) => Math.max(entry, 0)) : z;
        });
        const row = multipliers[multipliers.length - 1];
        expect(value).toBeLessThanOrEqual(x.reduce((sum, y, j) => sum + row[j] * y, 0) + 1e-9);
      }
    }
  });

  it('is the gradient of the bound, by central differences', () => {
    for (let seed = 1; seed <= 10; seed++) {
      const asked = problem(seed);
      const { layers } = dualGradient(asked);
      const h = 1e-6;
      asked.layers.forEach((layer, k) => {
        for (const name of ['weight', 'bias'] as const) {
          const data = layer[name] as Float64Array;
          for (let i = 0; i < data.length; i++) {
            const kept = data[i];
            data[i] = kept + h;
            const above = dualGradient(asked).value;
            data[i] = kept - h;
            const slope = (above - dualGradient(asked).value) / (2 * h);
            data[i] = kept;
            expect(Math.abs(layers[k][name][i] - slope)).toBeLessThan(1e-6 * Math.max(1, Math.abs(slope)));
          }
        }
      });
    }
  });

  it('refuses sizes that do not fit', () => {
    const asked = problem(1);
    expect(() => dualGradient({ ...asked, multipliers: asked.multipliers.slice(1) })).toThrow(ShapeError);
    const narrow = { lower: [0], upper: [1] };
    expect(() => dualGradient({ ...asked, box: narrow })).toThrow('layer 1');
  });
});
