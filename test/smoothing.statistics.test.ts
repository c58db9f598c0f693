/** The binomial and the normal distribution: on the safe side of exact values, and close to them. */
import { describe, expect, it } from 'vitest';
import { InvalidArgumentError, binomialLowerBound, normalQuantileDown } from '../src/index.js';
import { nextUp } from '../src/problem/rounding.js';
import { binomialTail, fairCoinPValue } from '../src/smoothing/binomial.js';

/** A double as an exact fraction numerator / 2^shift. */
function exact(x: number): { numerator: bigint; shift: bigint } {
  let shift = 0n;
  let scaled = x;
  while (!Number.isInteger(scaled)) {
    scaled *= 2;
    shift += 1n;
  }
  return { numerator: BigInt(scaled), shift };
}

/** Whether P(X >= k) <= bound for n trials of probability p, in integers. */
function tailIsAtMost(k: number, n: number, p: number, bound: number): boolean {
  const { numerator, shift } = exact(p);
  const rest = (1n << shift) - numerator;
  let choose = 1n;
  let sum = 0n;
  for (let i = n; i >= k; i -= 1) {
    sum += choose * numerator ** BigInt(i) * rest ** BigInt(n - i);
    choose = (choose * BigInt(i)) / BigInt(n - i + 1);
  }
  const alpha = exact(bound);
  return sum << alpha.shift <= alpha.numerator << (shift * BigInt(n));
}

const cases = [1, 2, 7, 20, 60].flatMap((n) =>
  [0.001, 0.05, 0.3].flatMap((alpha) =>
    [...new Set([1, Math.ceil(n / 3), Math.ceil((2 * n) / 3), n - 1, n])]
      .filter((k) => k > 0)
      .map((k) => ({ k, n, alpha })),
  ),
);

describe('binomialLowerBound', () => {
  it.each(cases)(
    '$k of $n at $alpha: below the exact bound, by a relative 1e-10 at most',
    ({ k, n, alpha }) => {
      const p = binomialLowerBound(k, n, alpha);
      expect(tailIsAtMost(k, n, p, alpha)).toBe(true);
      expect(tailIsAtMost(k, n, p * (1 + 1e-10), alpha)).toBe(false);
    },
  );

  it('agrees with the quantiles of the beta distribution where samples are many', () => {
    const quantiles: [number, number, number, number][] = [
      [99000, 100000, 0.001, 0.9889893403774747],
      [50300, 100000, 0.001, 0.498108929572383],
      [700, 1000, 0.01, 0.6650361321759418],
      [100000, 100000, 0.001, 0.001 ** 1e-5],
    ];
    for (const [k, n, alpha, quantile] of quantiles) {
      const p = binomialLowerBound(k, n, alpha);
      expect(p).toBeLessThanOrEqual(nextUp(quantile));
      expect(quantile - p).toBeLessThan(1e-12);
    }
  });

  it('is 0 without a success, and says what is wrong with counts and alpha', () => {
    expect(binomialLowerBound(0, 10, 0.01)).toBe(0);
    expect(() => binomialLowerBound(11, 10, 0.01)).toThrow(InvalidArgumentError);
    expect(() => binomialLowerBound(1.5, 10, 0.01)).toThrow('1.5 of 10 trials');
    expect(() => binomialLowerBound(5, 10, 0)).toThrow('alpha is 0');
    expect(() => binomialLowerBound(5, 10, Number.NaN)).toThrow(InvalidArgumentError);
  });

  it('covers: whatever p is, the bound is above it with a probability of at most alpha', () => {
    for (const n of [10, 100]) {
      for (const alpha of [0.001, 0.05]) {
        const bounds = Array.from({ length: n + 1 }, (_, k) => binomialLowerBound(k, n, alpha));
        for (let p = 0.01; p < 1; p += 0.03) {
          // Bounds grow with k, so they are above p from some k on, or never.
          const first = bounds.findIndex((bound) => bound > p);
          const probability = first < 0 ? 0 : exactTail(first, n, p);
          expect(probability).toBeLessThanOrEqual(alpha * (1 + 1e-9));
        }
      }
    }
  });
});

function exactTail(k: number, n: number, p: number): number {
  let term = p ** n;
  let sum = 0;
  for (let i = n; i >= k; i -= 1) {
    sum += term;
    term *= (i * (1 - p)) / ((n - i + 1) * p);
  }
  return sum;
}

describe('binomialTail', () => {
  it('is above the exact tail and close to it', () => {
    for (const { k, n } of cases) {
      const p = (0.7 * k) / n;
      const bound = binomialTail(k, n, p);
      expect(tailIsAtMost(k, n, p, bound)).toBe(true);
      expect(tailIsAtMost(k, n, p, bound * (1 - 1e-9))).toBe(false);
    }
  });
});

describe('fairCoinPValue', () => {
  it('is the two-sided p-value', () => {
    expect(fairCoinPValue(7, 0)).toBeCloseTo(2 / 2 ** 7, 14);
    expect(fairCoinPValue(60, 40)).toBeCloseTo(0.05688793364098089, 11);
    expect(fairCoinPValue(40, 60)).toBe(fairCoinPValue(60, 40));
    expect(fairCoinPValue(5, 5)).toBe(1);
    expect(fairCoinPValue(501, 499)).toBeLessThanOrEqual(1);
  });
});

describe('normalQuantileDown', () => {
  it('is below the exact quantile, by 1e-12 at most', () => {
    const quantiles: [number, number][] = [
      [0.51, 0.025068908258711057],
      [0.6, 0.2533471031357997],
      [0.75, 0.6744897501960817],
      [0.9, 1.2815515655446006],
      [0.97, 1.8807936081512504],
      [0.97725, 2.000002443899603],
      [0.999, 3.090232306167813],
      [0.99999, 4.264890793923841],
      [1 - 1e-7, 5.199337582290661],
      [1 - 1e-9, 5.997807019601637],
      [1 - 2 ** -53, 8.209536151601387],
    ];
    for (const [p, quantile] of quantiles) {
      const z = normalQuantileDown(p);
      expect(z).toBeLessThanOrEqual(quantile);
      expect(quantile - z).toBeLessThan(1e-12);
    }
  });

  it('is 0 up to 1/2, infinite at 1, and grows in between', () => {
    expect(normalQuantileDown(0.3)).toBe(0);
    expect(normalQuantileDown(0.5)).toBe(0);
    expect(normalQuantileDown(Number.NaN)).toBe(0);
    expect(normalQuantileDown(1)).toBe(Infinity);
    let before = 0;
    for (let p = 0.501; p < 1; p += 0.001) {
      const z = normalQuantileDown(p);
      expect(z).toBeGreaterThan(before);
      before = z;
    }
  });
});
