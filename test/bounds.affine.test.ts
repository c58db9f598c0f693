/** The affine bounds `slope^T x + offset`: below the row on the region, and the origin of `lower`. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Region, Verifier, ballL1, ballL2, ballLinf, evaluate, rows } from '../src/index.js';
import { Random, linearNetwork, networkKinds } from './support/random-networks.js';
import { samplePoints } from './support/sampling.js';

let verifier: Verifier;
beforeAll(() => {
  verifier = new Verifier({ threads: 1 });
});
afterAll(() => verifier.close());

const dot = (a: Float64Array, b: ArrayLike<number>): number => a.reduce((sum, x, i) => sum + x * b[i], 0);

/** min a^T x over an unclipped ball or a box. */
function regionMinimum(region: Region, image: number, a: Float64Array): number {
  const from = image * region.size;
  const center = region.center.subarray(from, from + region.size);
  if (region.kind === 'linf') {
    return a.reduce((sum, x, i) => sum + x * (x > 0 ? region.lower! : region.upper!)[from + i], 0);
  }
  const norm =
    region.kind === 'l2' ? Math.hypot(...a) : a.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  return dot(a, center) - region.eps[image] * norm;
}

describe.each(Object.keys(networkKinds))('%s', (kind) => {
  it.each(['crown', 'alpha-crown', 'sdp-crown', 'joint', 'ibp'] as const)('%s', async (method) => {
    const random = new Random(77 + kind.length);
    const model = networkKinds[kind](random);
    const centers = [0, 1].map(() => random.vector(model.inputSize, 0, 1));
    const c = [0, 1].map(() => random.normals(model.outputSize));
    const regions = [ballL1(centers, 0.7), ballL2(centers, 0.3), ballLinf(centers, [0.02, 0.2])];
    for (const [region, assurance] of regions.flatMap(
      (each) => [[each, 'none'] as const, [each, 'real'] as const] as const,
    )) {
      const found = await verifier.bounds(model, region, {
        assurance,
        specification: rows(c, [1, -1]),
        method,
        boxes: 'cheap',
        iterations: 15,
        upper: true,
        coefficients: true,
      });
      for (const image of centers.keys()) {
        const points = samplePoints(random, region, image, 100);
        for (const row of c.keys()) {
          const at = image * c.length + row;
          const part = (values: Float64Array): Float64Array =>
            values.subarray(at * model.inputSize, (at + 1) * model.inputSize);
          const slope = part(found.slope!);
          const upperSlope = part(found.upperSlope!);
          const center = centers[image];
          const allowed = 1e-5 * (1 + Math.abs(found.lower[at]) + Math.abs(found.upper![at]));
          const least = regionMinimum(region, image, slope) + found.offset![at];
          const most =
            found.upperOffset![at] -
            regionMinimum(
              region,
              image,
              upperSlope.map((x) => -x),
            );
          // What is proven of them may be better than what the method itself makes of its multipliers.
          const better = assurance === 'none' ? allowed : Infinity;
          expect(least - found.lower[at]).toBeGreaterThan(-allowed);
          expect(least - found.lower[at]).toBeLessThan(better);
          expect(found.upper![at] - most).toBeGreaterThan(-allowed);
          expect(found.upper![at] - most).toBeLessThan(better);
          for (const x of [center, ...points]) {
            const value = dot(c[row], evaluate(model.graph, x)) + [1, -1][row];
            // A proven bound may miss only by the rounding of the sums here.
            const slack = assurance === 'none' ? allowed : 1e-13 * (1 + Math.abs(value));
            expect(dot(slope, x) + found.offset![at]).toBeLessThan(value + slack);
            expect(dot(upperSlope, x) + found.upperOffset![at]).toBeGreaterThan(value - slack);
          }
        }
      }
    }
  });
});

it('a call that runs out of time returns no affine bound that it did not prove', async () => {
  const random = new Random(5);
  const model = linearNetwork(random, [40, 200, 200, 200, 6]);
  const centers = Array.from({ length: 30 }, () => random.vector(40, 0, 1));
  const region = ballL2(centers, 0.5);
  // The rows are negative everywhere, so 0^T x + 0 is above them.
  const c = Array.from({ length: 6 }, () => random.normals(6));
  const found = await verifier.bounds(model, region, {
    specification: rows(c, new Float64Array(6).fill(-1e3)),
    coefficients: true,
    upper: true,
    iterations: 100_000,
    timeLimit: 0.05,
  });
  expect(found.timedOut.every(Boolean)).toBe(true);
  found.lower.forEach((lower, at) => {
    const center = centers[Math.floor(at / c.length)];
    const slope = found.slope!.subarray(at * 40, (at + 1) * 40);
    const upperSlope = found.upperSlope!.subarray(at * 40, (at + 1) * 40);
    expect(lower).toBeLessThan(0);
    expect(dot(slope, center) + found.offset![at]).toBeLessThan(0);
    const value = dot(c[at % c.length], evaluate(model.graph, center)) - 1e3;
    expect(dot(upperSlope, center) + found.upperOffset![at]).toBeGreaterThan(value - 1e-2);
  });
});
