/** Distances rounded up: never below the exact ones, computed in integers, and hardly above. */
import { expect, it } from 'vitest';
import { distanceUp } from '../src/problem/distance.js';
import { Random } from './support/random-networks.js';

const scale = 2 ** 60;
const exact = (x: number): bigint => BigInt(x * scale);
const magnitude = (x: bigint): bigint => (x < 0n ? -x : x);

it('is at least the distance, and equal but for rounding', () => {
  const random = new Random(1);
  for (let round = 0; round < 200; round += 1) {
    const size = 1 + (round % 40);
    const [x, y] = [random.vector(size, -2, 2), random.vector(size, -2, 2)];
    const away = Array.from(x, (value, i) => magnitude(exact(value) - exact(y[i])));
    const largest = away.reduce((most, each) => (each > most ? each : most), 0n);
    const sum = away.reduce((total, each) => total + each, 0n);
    const square = away.reduce((total, each) => total + each * each, 0n);
    const [linf, l1, l2] = (['linf', 'l1', 'l2'] as const).map((norm) => distanceUp(norm, x, y));
    expect(exact(linf) >= largest && exact(l1) >= sum && exact(l2) ** 2n >= square).toBe(true);
    expect(linf / (Number(largest) / scale)).toBeLessThan(1 + 1e-14);
    expect(l1 / (Number(sum) / scale)).toBeLessThan(1 + 1e-14);
    expect(l2 / (Math.sqrt(Number(square)) / scale)).toBeLessThan(1 + 1e-14);
  }
});

it('is 0 for a point itself alone, even where squares underflow', () => {
  const [x, near] = [Float64Array.of(1, 0), Float64Array.of(1, 1e-200)];
  for (const norm of ['linf', 'l1', 'l2'] as const) {
    expect(distanceUp(norm, x, x)).toBe(0);
    expect(distanceUp(norm, x, near)).toBeGreaterThanOrEqual(1e-200);
  }
});
