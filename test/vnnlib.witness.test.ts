import { describe, expect, it } from 'vitest';
import { float32Inside, formatWitness } from '../src/vnnlib/witness.js';

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
