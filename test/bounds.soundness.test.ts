/** No point of a region may have a row below its lower bound or above its upper bound. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Method,
  type Region,
  Verifier,
  ballL1,
  ballL2,
  ballLinf,
  box,
  evaluate,
  rows,
} from '../src/index.js';
import { boxKinds } from '../src/verify/options.js';
import { Random, networkKinds } from './support/random-networks.js';
import { samplePoints } from './support/sampling.js';

const methods: readonly Method[] = ['ibp', 'lip', 'crown', 'alpha-crown', 'sdp-crown', 'joint'];

/** Images per region, each with its own radius: nothing, tiny, usual, large, huge. */
const radii = [0, 1e-4, 0.05, 0.4, 20];
const pointsPerImage = 240;
/**
 * The engine computes in float32. Relative to the size of what is summed, its rounding is below this; a
 * bound that is wrong by more is wrong.
 */
const tolerance = 1e-5;

const regionKinds: Record<string, (centers: Float64Array[], random: Random) => Region> = {
  l1: (centers) => ballL1(centers, radii),
  'l1 clipped': (centers) => ballL1(centers, radii, { clip: [0, 1] }),
  l2: (centers) => ballL2(centers, radii),
  'l2 clipped': (centers) => ballL2(centers, radii, { clip: [0, 1] }),
  linf: (centers) => ballLinf(centers, radii),
  'linf clipped': (centers) => ballLinf(centers, radii, { clip: [0, 1] }),
  box: (centers, random) => {
    // Far from symmetric, and without width in some features.
    const ends = (sign: number) =>
      centers.map((center, image) =>
        center.map((x) => x + sign * radii[image] * (random.uniform() < 0.2 ? 0 : random.uniform())),
      );
    return box(ends(-1), ends(1));
  },
};

let verifier: Verifier;
beforeAll(() => {
  verifier = new Verifier({ threads: 2 });
});
afterAll(() => verifier.close());

describe.each(Object.keys(networkKinds))('%s', (kind) => {
  it.each(Object.keys(regionKinds))('%s', async (name) => {
    const random = new Random(1 + 100 * Object.keys(networkKinds).indexOf(kind) + name.length);
    const model = networkKinds[kind](random);
    const { outputSize, inputSize } = model;
    const centers = radii.map(() => random.vector(inputSize, 0, 1));
    // The border of the clip range is where centres of images are.
    for (const center of centers) center[0] = random.integer(0, 1);
    const region = regionKinds[name](centers, random);

    const c = Array.from({ length: 4 }, (_, row) =>
      row === 0 ? new Float64Array(outputSize).fill(1) : random.normals(outputSize),
    );
    const d = random.normals(c.length);
    const specification = rows(c, d);
    const attack = await verifier.attack(model, region, { specification, steps: 15, restarts: 1 });
    const points = radii.map((_, image) => [
      ...samplePoints(random, region, image, pointsPerImage),
      attack.point.slice(image * inputSize, (image + 1) * inputSize),
    ]);
    const outputs = points.map((list) => list.map((x) => evaluate(model.graph, x)));

    const failures: string[] = [];
    for (const method of region.kind === 'l2' ? [...methods, 'weighted' as const] : methods) {
      for (const boxes of boxKinds) {
        const bounds = await verifier.bounds(model, region, {
          specification,
          method,
          boxes,
          iterations: 12,
          boxIterations: 4,
          upper: true,
        });
        for (const [image, list] of outputs.entries()) {
          for (const [row, coefficients] of c.entries()) {
            const at = image * c.length + row;
            const values = list.map((y) => y.reduce((sum, v, j) => sum + v * coefficients[j], d[row]));
            const size =
              Math.abs(d[row]) +
              Math.max(...list.map((y) => y.reduce((sum, v, j) => sum + Math.abs(v * coefficients[j]), 0)));
            const [low, high] = [Math.min(...values), Math.max(...values)];
            const allowed = tolerance * Math.max(size, 1);
            // A bound that is NaN or says nothing fails as well; so does a region that was ignored.
            if (!(bounds.lower[at] <= low + allowed) || !Number.isFinite(bounds.lower[at])) {
              failures.push(`${method}/${boxes} image ${image} row ${row}: ${bounds.lower[at]} > ${low}`);
            }
            if (!(bounds.upper![at] >= high - allowed) || !Number.isFinite(bounds.upper![at])) {
              failures.push(`${method}/${boxes} image ${image} row ${row}: ${bounds.upper![at]} < ${high}`);
            }
          }
        }
      }
    }
    expect(failures).toEqual([]);
    // The bounds of a region without width are the values themselves: nothing is lost in transit.
    const exact = await verifier.bounds(model, region, { specification, method: 'crown' });
    c.forEach((coefficients, row) => {
      const value = outputs[0][0].reduce((sum, v, j) => sum + v * coefficients[j], d[row]);
      expect(Math.abs(exact.lower[row] - value)).toBeLessThan(1e-5 * Math.max(1, Math.abs(value)));
    });
  });
});
