/** The best centre: against brute force over grids and random points, and on the engine's own bounds. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Affine,
  InvalidArgumentError,
  type Model,
  type Norm,
  ShapeError,
  Verifier,
  ball,
  ballL2,
  ballLinf,
  certifiedCenters,
  closedFormRadius,
  exportOnnx,
  margins,
  optimalCenter,
} from '../src/index.js';
import { evaluate } from '../src/model/evaluate.js';
import { npyFloat64, npyInt64, temporaryFolder } from './support/array-files.js';
import { realAddonPath, runCommand } from './support/command-line.js';
import { Random, linearNetwork } from './support/random-networks.js';
import { samplePoints } from './support/sampling.js';

const norms: Norm[] = ['l1', 'l2', 'linf'];
const folder = temporaryFolder();

function randomBounds(random: Random, rows: number, size: number): Affine[] {
  return Array.from({ length: rows }, () => ({
    slope: random.normals(size),
    offset: 0.3 + 0.3 * random.normal(),
  }));
}

describe('optimalCenter', () => {
  it.each(norms)('is as good as the best point of a fine grid (%s)', async (norm) => {
    const random = new Random(1);
    let positive = 0;
    for (let round = 0; round < 25; round += 1) {
      const bounds = randomBounds(random, 1 + (round % 4), 2);
      const domain = { lower: Float64Array.of(-1, -0.5), upper: Float64Array.of(0.8, 0.7) };
      const { center, radius } = await optimalCenter(bounds, domain, norm);
      const steps = 120;
      let best = 0;
      for (let i = 0; i <= steps; i += 1) {
        for (let j = 0; j <= steps; j += 1) {
          const point = Float64Array.of(-1 + (1.8 * i) / steps, -0.5 + (1.2 * j) / steps);
          best = Math.max(best, closedFormRadius(bounds, domain, point, norm));
        }
      }
      expect(radius).toBe(closedFormRadius(bounds, domain, center, norm));
      expect(radius).toBeGreaterThanOrEqual(best - 1e-7);
      // Moving by one step of the grid changes a radius by at most the step's length in the norm.
      expect(radius).toBeLessThanOrEqual(best + 1.8 / steps + 1.2 / steps);
      if (radius > 0) positive += 1;
    }
    expect(positive).toBeGreaterThan(10);
  });

  it.each(norms)('is beaten by no random point in higher dimensions (%s)', async (norm) => {
    const random = new Random(2);
    for (const size of [1, 5, 40]) {
      const bounds = randomBounds(random, 9, size);
      const domain = { lower: new Float64Array(size).fill(-1), upper: new Float64Array(size).fill(1) };
      const { center, radius } = await optimalCenter(bounds, domain, norm);
      for (let trial = 0; trial < 2000; trial += 1) {
        const spread = 10 ** (-4 * random.uniform());
        const near = center.map((c) => Math.min(1, Math.max(-1, c + spread * random.normal())));
        expect(closedFormRadius(bounds, domain, near, norm)).toBeLessThanOrEqual(radius + 1e-7);
      }
    }
  });

  it('goes to the middle where bounds do not bind, and is 0 where they certify nothing', async () => {
    const domain = { lower: Float64Array.of(0, 0), upper: Float64Array.of(2, 1) };
    const flat = { slope: Float64Array.of(0, 0), offset: 0.1 };
    const free = await optimalCenter([flat], domain, 'l2');
    expect(free.radius).toBeCloseTo(0.5, 12);
    expect(free.center[1]).toBeCloseTo(0.5, 12);
    const nowhere = { slope: Float64Array.of(1, 1), offset: -10 };
    expect((await optimalCenter([nowhere], domain, 'l2')).radius).toBe(0);
    expect((await optimalCenter([{ ...flat, offset: 0 }], domain, 'linf')).radius).toBe(0);
    expect((await optimalCenter([], domain, 'l1')).radius).toBeCloseTo(0.5, 12);
  });

  it('refuses domains that are none', async () => {
    const one = Float64Array.of(1);
    const endless = { lower: Float64Array.of(0), upper: Float64Array.of(Infinity) };
    await expect(optimalCenter([], endless, 'l2')).rejects.toThrow(InvalidArgumentError);
    const empty = { lower: one, upper: Float64Array.of(0.5) };
    await expect(optimalCenter([], empty, 'l2')).rejects.toThrow('[1, 0.5] at feature 0');
    const wide = { slope: Float64Array.of(1, 2), offset: 1 };
    await expect(optimalCenter([wide], { lower: one, upper: one }, 'l2')).rejects.toThrow(ShapeError);
  });
});

describe('with the engine', () => {
  let verifier: Verifier;
  let model: Model;
  beforeAll(async () => {
    verifier = new Verifier({ threads: 1 });
    model = linearNetwork(new Random(3), [3, 8, 3]);
  });
  afterAll(() => verifier.close());

  it.each(norms)(
    'the ball found has the label everywhere, and is no smaller than before (%s)',
    async (norm) => {
      const random = new Random(4);
      const points = Array.from({ length: 20 }, () => random.normals(3));
      const labels = await verifier.predict(model, points);
      const found = await certifiedCenters(verifier, model, ballLinf(points, 0.6), {
        norm,
        method: 'crown',
        specification: margins(labels),
      });
      found.forEach(({ center, radius, radiusBefore }, image) => {
        expect(radius).toBeGreaterThanOrEqual(radiusBefore - 1e-9);
        for (const point of samplePoints(random, ball(norm, center, radius), 0, 100)) {
          const y = evaluate(model.graph, point);
          expect(y.indexOf(Math.max(...y))).toBe(labels[image]);
        }
      });
      const better = found.filter(({ radius, radiusBefore }) => radius > radiusBefore + 1e-3);
      expect(better.length).toBeGreaterThan(5);
      // What the affine bounds say on the whole box, the engine proves on the smaller ball.
      const certified = found.flatMap(({ center, radius }, i) =>
        radius > 0.01 ? [{ center, radius, i }] : [],
      );
      const centers = certified.map(({ center }) => center);
      const region = ball(
        norm,
        centers,
        certified.map(({ radius }) => 0.99 * radius),
      );
      const specification = margins(Int32Array.from(certified, ({ i }) => labels[i]));
      const { lower } = await verifier.bounds(model, region, { specification });
      lower.forEach((bound) => expect(bound).toBeGreaterThan(0));
    },
  );

  it('needs a box', async () => {
    const options = { norm: 'l2', specification: margins(0) } as const;
    const region = ballL2(new Float64Array(3), 0.1);
    await expect(certifiedCenters(verifier, model, region, options)).rejects.toThrow("kind 'l2'");
  });

  it('bulwark center writes records and the mean radii before and after', async () => {
    const path = await folder.write('net.onnx', exportOnnx(model.graph));
    const points = [0.3, -0.2, 0.5, 1, 1, -1];
    const data = await folder.write('x.npy', npyFloat64([2, 3], points));
    const labels = await verifier.predict(model, [points.slice(0, 3), points.slice(3)]);
    const classes = await folder.write('y.npy', npyInt64([labels[0], (labels[1] + 1) % 3]));
    const out = join(folder.path, 'centers.jsonl');
    const args = ['center', path, '--data', data, '--labels', classes, '--norm', '2', '--eps', '0.2'];
    const { code, stdout } = await runCommand([...args, '--out', out, '--json'], { addon: realAddonPath });
    expect(code).toBe(0);
    const summary = JSON.parse(stdout) as Record<string, number>;
    expect(summary).toMatchObject({ total: 2, correct: 1 });
    expect(summary['closedFormAtCenter']).toBeGreaterThanOrEqual(summary['closedForm'] - 1e-9);
    const lines = (await readFile(out, 'utf8')).trim().split('\n');
    const records = lines.map((line) => JSON.parse(line) as { center: number[] | null });
    expect(records[1].center).toBeNull();
    records[0].center?.forEach((c, i) => expect(Math.abs(c - points[i])).toBeLessThanOrEqual(0.2));
  });
});
