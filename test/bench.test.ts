import { describe, expect, it } from 'vitest';
import { cheapest, compareRuns, median, typical } from '../bench/compare.mjs';

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
