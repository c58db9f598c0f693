import { describe, expect, it } from 'vitest';
import { cheapest, compareRuns, median, typical } from '../bench/compare.mjs';
import { parseKernels, parseRatios } from '../bench/kernels.mjs';

const entry = (name: string, cost: number) => ({ name, cost });

describe('compareRuns', () => {
  const statusOf = (before: number, now: number, tolerance = 0.3) =>
    compareRuns([entry('a', before)], [entry('a', now)], tolerance)[0].status;

  it('calls a case slower beyond the tolerance only', () => {
    expect(statusOf(100, 129)).toBe('ok');
    expect(statusOf(100, 131)).toBe('slower');
    expect(statusOf(100, 131, 0.4)).toBe('ok');
  });

  it('calls a case faster by the same factor', () => {
    expect(statusOf(100, 78)).toBe('ok');
    expect(statusOf(100, 76)).toBe('faster');
  });

  it('gives the ratio of costs', () => {
    expect(compareRuns([entry('a', 50)], [entry('a', 60)], 0.3)[0].ratio).toBeCloseTo(1.2);
  });

  it('lists cases that only one of the runs has', () => {
    expect(compareRuns([entry('a', 1), entry('b', 1)], [entry('b', 1), entry('c', 1)], 0.3)).toEqual([
      { name: 'b', ratio: 1, status: 'ok' },
      { name: 'c', status: 'new' },
      { name: 'a', status: 'missing' },
    ]);
  });

  it.each([NaN, 0, -1, Infinity])('refuses a cost of %s on either side', (cost) => {
    expect(() => compareRuns([entry('a', 1)], [entry('a', cost)], 0.3)).toThrow(/a: cost is/);
    expect(() => compareRuns([entry('a', cost)], [entry('a', 1)], 0.3)).toThrow(/a: cost is/);
  });

  it.each([NaN, 0, -0.1])('refuses a tolerance of %s', (tolerance) => {
    expect(() => compareRuns([], [], tolerance)).toThrow(RangeError);
  });
});

describe('several measurements', () => {
  it('takes the middle value, or the mean of the two', () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([4, 1, 2, 8])).toBe(3);
    expect(() => median([])).toThrow('no values');
  });

  it('keeps the cheapest of each case', () => {
    const runs = [[entry('a', 3), entry('b', 1)], [entry('a', 2)], [entry('b', 4)]];
    expect(cheapest(runs)).toEqual([entry('a', 2), entry('b', 1)]);
  });

  it('takes the middle cost of each case and how far the runs spread', () => {
    const [a] = typical([[entry('a', 4)], [entry('a', 2)], [entry('a', 3)]]);
    expect(a).toMatchObject({ name: 'a', cost: 3, spread: 2 });
  });
});

describe('reading what the native programs print', () => {
  it('reads kernels under their headings, with the peak of their own line', () => {
    const text = [
      'avx512: peak 230.2 GFLOP/s of multiply-adds; copy 110.7 GB/s in 512 KiB, 33.0 GB/s in 128 MiB',
      'linear 1024 -> 1024, 1024 rows    9712.5 us    200.0 GFLOP/s  80.0 % of peak',
      'layers, 144 rows, forward (padding counts as work)',
      '  mnist conv 1 -> 16               101.3 us    142.7 GFLOP/s  62.0 % of peak',
      '256 features, 16 rows',
      '  reluDual, free slopes              1.3 us     90.5 GB/s    0.309 ns per neuron and row',
    ].join('\n');
    const kernels = parseKernels(text);
    expect(kernels.map(({ name }) => name)).toEqual([
      'linear 1024 -> 1024, 1024 rows',
      'layers, 144 rows, forward: mnist conv 1 -> 16',
      '256 features, 16 rows: reluDual, free slopes',
    ]);
    expect(kernels[0].peak).toBeCloseTo(250);
    expect(kernels[0].floor).toBeCloseTo(200e9 * 9712.5e-6);
    expect(kernels[2]).toEqual({ name: kernels[2].name, seconds: 1.3e-6 });
  });

  it('reads how the kernels do beside other libraries', () => {
    const text = 'peak 1.0 GFLOP/s\nlinear\n  ours   2.0 GFLOP/s\n  ours / best of them      1.02\n';
    expect(parseRatios(text)).toEqual([{ problem: 'linear', ratio: 1.02 }]);
  });
});
