import { describe, expect, it } from 'vitest';
import { borderDistance, dualNorm, lowerRadius, upperRadius } from '../src/index.js';
import type { Norm } from '../src/problem/index.js';

const norms: Norm[] = ['l1', 'l2', 'linf'];

function length(x: number, y: number, norm: Norm): number {
  if (norm === 'l1') return Math.abs(x) + Math.abs(y);
  return norm === 'l2' ? Math.hypot(x, y) : Math.max(Math.abs(x), Math.abs(y));
}

/** Distance from (cx, cy) to {s <= 0} within a square of this half width, on a fine grid of directions and lengths. */
function distanceByGrid(
  s: (x: number, y: number) => number,
  [cx, cy]: Float64Array,
  norm: Norm,
  border: number,
): number {
  let best = Infinity;
  for (let angle = 0; angle < 2 * Math.PI; angle += Math.PI / 720) {
    const [dx, dy] = [Math.cos(angle), Math.sin(angle)];
    const step = 1 / length(dx, dy, norm);
    for (let r = 0; r <= border && r < best; r += border / 2000) {
      if (s(cx + r * step * dx, cy + r * step * dy) <= 0) best = r;
    }
  }
  return best;
}

/** Numbers in [-1, 1), the same on every run. */
function sequence(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}

describe('dual norm', () => {
  it('is the largest a^T x on the unit ball', () => {
    const a = Float64Array.of(3, -4);
    expect(norms.map((norm) => dualNorm(a, norm))).toEqual([4, 5, 7]);
    expect(dualNorm(Float64Array.of(3e200, 4e200), 'l2')).toBeCloseTo(5e200, -190);
    expect(dualNorm(new Float64Array(3), 'l2')).toBe(0);
  });
});

describe.each(norms)('closed-form radii in %s', (norm) => {
  it('equal the distance to the half-space of an affine function (Theorem B.1)', () => {
    const next = sequence(7);
    for (let trial = 0; trial < 8; trial += 1) {
      const slope = Float64Array.of(next(), next());
      const center = Float64Array.of(next(), next());
      const offset = 0.3 - slope[0] * center[0] - slope[1] * center[1];
      const border = 4;
      const brute = distanceByGrid((x, y) => slope[0] * x + slope[1] * y + offset, center, norm, border);
      const lower = lowerRadius({ slope, offset }, center, norm, border);
      const upper = upperRadius({ slope, offset }, center, norm, border);
      expect(lower).toBeLessThanOrEqual(upper);
      expect(Math.abs(lower - Math.min(brute, border))).toBeLessThan(0.02);
      // Where the upper radius is unknown, the border cuts the lower one.
      expect(Math.min(upper, border) - lower).toBeLessThan(upper < Infinity ? 1e-13 : 0.02);
    }
  });

  it('enclose the radius of a curved function between its affine bounds (Theorem 3.1)', () => {
    // s(x, y) = 1 - x + 0.2 sin(5 y) lies within 0.2 of 1 - x.
    const s = (x: number, y: number): number => 1 - x + 0.2 * Math.sin(5 * y);
    const slope = Float64Array.of(-1, 0);
    const center = Float64Array.of(0.1, -0.2);
    const brute = distanceByGrid(s, center, norm, 2);
    expect(lowerRadius({ slope, offset: 0.8 }, center, norm, 2)).toBeLessThanOrEqual(brute);
    expect(upperRadius({ slope, offset: 1.2 }, center, norm, 2)).toBeGreaterThanOrEqual(brute - 1e-3);
  });

  it('are capped at the border of the domain, and say nothing beyond', () => {
    const slope = Float64Array.of(1, 0);
    const far = { slope, offset: 10 };
    expect(lowerRadius(far, Float64Array.of(0, 0), norm, 3)).toBe(3);
    expect(upperRadius(far, Float64Array.of(0, 0), norm, 3)).toBe(Infinity);
  });

  it('handle the zero slope (after Proposition B.8)', () => {
    const zero = new Float64Array(2);
    const center = Float64Array.of(1, 1);
    expect(lowerRadius({ slope: zero, offset: 1 }, center, norm, 0.5)).toBe(0.5);
    expect(lowerRadius({ slope: zero, offset: -1 }, center, norm, 0.5)).toBe(0);
    expect(lowerRadius({ slope: zero, offset: 0 }, center, norm, 0.5)).toBe(0);
    expect(upperRadius({ slope: zero, offset: 1 }, center, norm, 0.5)).toBe(Infinity);
    expect(upperRadius({ slope: zero, offset: -1 }, center, norm, 0.5)).toBe(0);
  });

  it('prove nothing from NaN', () => {
    const bad = { slope: Float64Array.of(NaN, 1), offset: 1 };
    expect(lowerRadius(bad, Float64Array.of(1, 1), norm, 1)).toBe(0);
    expect(upperRadius(bad, Float64Array.of(1, 1), norm, 1)).toBe(Infinity);
  });
});

describe('rounding', () => {
  it('keeps the lower radius below and the upper radius above the exact quotient', () => {
    // 1 / 3 rounds down to the double below it, so the radius may not be that double plus anything.
    const third = { slope: Float64Array.of(3), offset: 1 };
    const center = Float64Array.of(0);
    expect(3n * BigInt(Math.round(lowerRadius(third, center, 'l2', 1) * 2 ** 60)) <= 1n << 60n).toBe(true);
    expect(3n * BigInt(Math.round(upperRadius(third, center, 'l2', 1) * 2 ** 60)) >= 1n << 60n).toBe(true);
  });

  it('does not trust a margin that cancels', () => {
    // 1e16 * 1 - 1e16 + 0.5 as doubles is 0 or 2: nothing is proven about the sign.
    const cancelled = { slope: Float64Array.of(1e16, -1e16, 0.5), offset: 0 };
    expect(lowerRadius(cancelled, Float64Array.of(1, 1, 1), 'linf', 1)).toBe(0);
  });
});

describe('distance to the border of a box', () => {
  it('is the smallest gap', () => {
    const distance = borderDistance(Float64Array.of(0.5, 0.9), Float64Array.of(0, 0), Float64Array.of(1, 1));
    expect(distance).toBeLessThanOrEqual(0.1);
    expect(distance).toBeCloseTo(0.1, 12);
  });
});
