/** A cut of `scripts/sweep.mjs`: no certified margin above what an attack reaches, at any radius. */
import { describe, expect, it } from 'vitest';
import { networks, sweep } from '../scripts/sweep.mjs';

if (networks.length === 0) console.warn('skipped: ../shared is absent');
const names = networks.length > 0 ? networks : ['published networks (skipped without ../shared)'];

describe.skipIf(networks.length === 0)('certified margins stay below attacked ones', () => {
  it.each(names)('%s', async (name) => {
    const factors = [0, 0.01, 1, 3];
    const results = await sweep({ name, images: 6, start: 100, factors, steps: 30, assurance: 'float32' });
    expect(results.map(({ factor, rows, wrong }) => [factor, rows, wrong])).toEqual(
      factors.map((factor) => [factor, 54, 0]),
    );
    // Neither side may be idle: at a point only float32's own error is between the two, and a wide ball is attacked.
    expect(results[0].median).toBeLessThan(1e-2);
    expect(results[0].certified).toBeGreaterThan(27);
    expect(results[3].median).toBeLessThan(2);
    expect(results[3].attacked).toBeGreaterThanOrEqual(results[0].attacked);
  });
});
