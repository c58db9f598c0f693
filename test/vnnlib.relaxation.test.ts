import { describe, expect, it } from 'vitest';
import { Heap } from '../src/vnnlib/heap.js';
import { type Affine, bestCombination, clip, hull, minimiser } from '../src/vnnlib/relaxation.js';
import { float32Inside, formatWitness } from '../src/vnnlib/witness.js';

const square = { lower: Float64Array.of(-1, -1), upper: Float64Array.of(1, 1) };

function affine(offset: number, ...slope: number[]): Affine {
  return { slope: Float64Array.from(slope), offset };
}

/** A small generator, so that failures repeat. */
function sequence(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
}

describe('clip', () => {
  it('cuts the box where a row can be <= 0', () => {
    const row = affine(0.5, 1, 0);
    const { lower, upper } = clip([row], row, square)!;
    expect([...lower, upper[1]]).toEqual([-1, -1, 1]);
    expect(upper[0]).toBeCloseTo(-0.5, 5);
    expect(upper[0]).toBeGreaterThanOrEqual(-0.5);
  });

  it('leaves nothing of a box where a row is positive, and keeps one that touches 0', () => {
    expect(clip([affine(1.01, 1, 0)], affine(1.01, 1, 0), square)).toBeUndefined();
    expect(clip([affine(1, 1, 0)], affine(1, 1, 0), square)).toBeDefined();
  });

  it('refutes by a combination what no single row refutes', () => {
    // x >= 0.1 and -x >= 0.1 as rows <= 0.
    const rows = [affine(0.1, -1, 0.01), affine(0.1, 1, 0.01)];
    expect(rows.map((row) => clip([row], row, square) !== undefined)).toEqual([true, true]);
    expect(clip(rows, bestCombination(rows, square), square)).toBeUndefined();
  });

  it('keeps every point where all rows are <= 0', () => {
    const random = sequence(7);
    const number = (): number => 2 * random() - 1;
    let kept = 0;
    for (let round = 0; round < 300; round += 1) {
      const rows = Array.from({ length: 1 + (round % 4) }, () =>
        affine(number(), number(), number(), number()),
      );
      const lower = Float64Array.from({ length: 3 }, number);
      const box = { lower, upper: lower.map((low) => low + random()) };
      const rest = clip(rows, bestCombination(rows, box), box);
      for (let sample = 0; sample < 100; sample += 1) {
        const x = lower.map((low, i) => low + random() * (box.upper[i] - low));
        const all = rows.every(
          ({ slope, offset }) => slope.reduce((sum, a, i) => sum + a * x[i], offset) <= 0,
        );
        if (!all) continue;
        kept += 1;
        expect(
          rest !== undefined && x.every((value, i) => value >= rest.lower[i] && value <= rest.upper[i]),
        ).toBe(true);
      }
    }
    expect(kept).toBeGreaterThan(1000);
  });
});

it('minimiser and hull', () => {
  expect([...minimiser(affine(0, 2, -1), square)]).toEqual([-1, 1]);
  const joined = hull([square, { lower: Float64Array.of(-3, 0), upper: Float64Array.of(0, 2) }]);
  expect([[...joined.lower], [...joined.upper]]).toEqual([
    [-3, -1],
    [1, 2],
  ]);
});

it('Heap gives its items back in order', () => {
  const random = sequence(3);
  const values = Array.from({ length: 500 }, random);
  const heap = new Heap<number>((a, b) => a < b);
  for (const value of values) heap.push(value);
  expect(Array.from(values, () => heap.pop())).toEqual([...values].sort((a, b) => a - b));
  expect([heap.size, heap.pop()]).toEqual([0, undefined]);
});

describe('witnesses', () => {
  it('are the nearest float32 inside the box, or a double where it holds none', () => {
    const box = { lower: Float64Array.of(0.1, -1, 0.3, 0), upper: Float64Array.of(1, 0.1, 0.3, 1) };
    const point = float32Inside(Float64Array.of(0.1, 0.1, 0.3, 1e-60), box);
    expect([...point.subarray(0, 2)]).toEqual([...point.subarray(0, 2)].map(Math.fround));
    expect(point[0]).toBeGreaterThanOrEqual(0.1);
    expect(point[0] - 0.1).toBeLessThan(1e-8);
    expect(point[1]).toBeLessThanOrEqual(0.1);
    expect(point[2]).toBe(0.3);
    expect(point[3]).toBe(0);
  });

  it('are written in the competition format with values that read back', () => {
    const text = formatWitness({ x: Float64Array.of(0.1, -0), y: Float64Array.of(1e-7 / 3) });
    expect(text).toBe('((X_0 0.1)\n(X_1 0)\n(Y_0 3.3333333333333334e-8))');
    const number = /Y_0 ([^)]*)/.exec(text)![1];
    expect(Number(number)).toBe(1e-7 / 3);
  });
});
