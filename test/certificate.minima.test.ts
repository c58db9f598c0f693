/** The minima that the dual is a sum of, against the smallest values that a search finds. */
import { expect, it } from 'vitest';
import { phi } from '../src/certificate/dual.js';
import { regionOf } from '../src/certificate/facts.js';
import { inputMinimum } from '../src/certificate/input.js';
import { CertificateChecker } from '../src/certificate/index.js';
import { NetworkBuilder, Random } from './support/random-networks.js';

const kinds = ['l1', 'l2', 'linf'] as const;

it('the input: below whatever is found in the region, for any price and any payment', () => {
  const random = new Random(4);
  const pick = <T>(values: readonly T[]): T => values[random.integer(0, values.length - 1)];
  const above: string[] = [];
  let close = 0;
  for (let trial = 0; trial < 600; trial += 1) {
    const [kind, eps, clip] = [pick(kinds), pick([1e-3, 0.3, 2]), pick([null, [0, 1] as const])];
    const [size, rows] = [random.integer(1, 5), random.integer(1, 5)];
    const builder = new NetworkBuilder([size], random);
    builder.linear(0, rows);
    const { layers } = new CertificateChecker(builder.model());
    const weight = Array.from(layers[1].affine!.adjoint.value);
    const center = random.vector(size, 0, 1);
    const region = regionOf({ kind, eps, clip }, center);
    const scale = 10 ** random.uniform(-3, 3);
    const g = random.normals(size, scale);
    const norm = Math.hypot(...weight) * pick([1, 1.5]) + 1e-9;
    const payment = pick([0, 10 ** random.uniform(-3, 3)]);
    const price = pick([0, (10 ** random.uniform(-2, 2) * scale) / eps]);
    const bound = inputMinimum({ layers, norms: [0, norm], region, assurance: 'real' }, g, price, 1, payment);

    const image = (d: number[]): number[] =>
      Array.from({ length: rows }, (_, i) => d.reduce((sum, x, j) => sum + weight[i * size + j] * x, 0));
    const value = (d: number[]): number =>
      d.reduce((sum, x, i) => sum + g[i] * (center[i] + x), 0) -
      ((payment / 2) * image(d).reduce((sum, y) => sum + y * y, 0)) / norm / norm;
    const inside = (d: number[]): number[] => {
      const boxed = d.map((x, i) => Math.min(Math.max(x, region.lower[i]), region.upper[i]));
      const far =
        kind === 'l1'
          ? boxed.reduce((sum, x) => sum + Math.abs(x), 0)
          : kind === 'l2'
            ? Math.hypot(...boxed)
            : 0;
      return far > eps ? boxed.map((x) => (x * eps) / far) : boxed;
    };
    let least = Infinity;
    for (let start = 0; start < 8; start += 1) {
      let d = inside(Array.from(random.normals(size, eps * (start + 1))));
      for (let step = 0; step < 80; step += 1) {
        const y = image(d);
        const slope = d.map((_, j) =>
          y.reduce((sum, x, i) => sum - (payment * weight[i * size + j] * x) / norm / norm, g[j]),
        );
        const far = (eps * 3) / 1.15 ** step / (Math.hypot(...slope) || 1);
        d = inside(d.map((x, j) => x - far * slope[j]));
        least = Math.min(least, value(d));
      }
    }
    const terms = scale * (1 + eps) + payment * eps * eps;
    if (!(bound <= least + 1e-11 * terms)) above.push(`${kind} ${eps} ${clip}: ${bound} above ${least}`);
    if (bound > least - 1e-6 * terms) close += 1;
  }
  expect(above).toEqual([]);
  expect(close).toBeGreaterThan(200);
});

it('a ReLU: the minimum over the box, of every shape', () => {
  const random = new Random(6);
  const size = (): number => (random.uniform() < 0.2 ? 0 : 10 ** random.uniform(-3, 3));
  const wrong: string[] = [];
  for (let trial = 0; trial < 4000; trial += 1) {
    const [c, v] = [size() * random.normal(), size() * random.normal()];
    const [own, m] = [size(), size()];
    const [low, high] = Array.from(random.normals(2, size())).sort((a, b) => a - b);
    const center = random.uniform() < 0.5 ? low + random.uniform() * (high - low) : random.normal();
    const relu = (z: number): number => Math.max(z, 0);
    const value = (z: number): number =>
      c * relu(z) - v * z + ((own + m) / 2) * (z - center) ** 2 - (m / 2) * (relu(z) - relu(center)) ** 2;
    // Ends, the kink, and where each side's derivative is 0.
    const points = [0, (own * center + v - c + m * Math.min(center, 0)) / own, center + v / (own + m)];
    const inside = points.filter((z) => z > low && z < high);
    const least = Math.min(...[low, high, ...inside].map(value));
    const found = phi(c, v, own, m, [center, low, high]);
    const far = Math.max(Math.abs(low), Math.abs(high), Math.abs(center));
    const terms = (Math.abs(c) + Math.abs(v) + (own + m) * far) * far;
    if (!(found <= least + 1e-15 * terms && found >= least - 1e-12 * terms))
      wrong.push(`${found} for ${least}: ${c} ${v} ${own} ${m} ${center} ${low} ${high}`);
  }
  expect(wrong).toEqual([]);
});
