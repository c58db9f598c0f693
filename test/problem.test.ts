import { describe, expect, it } from 'vitest';
import { InvalidArgumentError, ShapeError } from '../src/errors.js';
import {
  ballL1,
  ballL2,
  ballLinf,
  box,
  margins,
  outputs,
  parseEps,
  parseNumberList,
  parseRange,
  rows,
} from '../src/problem/index.js';
import { toNativeRegion } from '../src/problem/region.js';
import { nextDown, nextUp, sumDown, sumUp } from '../src/problem/rounding.js';
import { forImages, withNegatives } from '../src/problem/specification.js';

describe('rounding', () => {
  it('steps to the neighbours', () => {
    expect(nextUp(1)).toBe(1 + 2 ** -52);
    expect(nextDown(1)).toBe(1 - 2 ** -53);
    expect(nextUp(-1)).toBe(-1 + 2 ** -53);
    expect(nextUp(0)).toBe(5e-324);
    expect(nextDown(0)).toBe(-5e-324);
    expect(nextUp(Infinity)).toBe(Infinity);
  });

  it('encloses exact sums, and leaves representable ones alone', () => {
    expect([sumDown(0.5, 0.25), sumUp(0.5, 0.25)]).toEqual([0.75, 0.75]);
    // 1 + 2^-60 is no double: its neighbours are 1 and 1 + 2^-52.
    expect([sumDown(1, 2 ** -60), sumUp(1, 2 ** -60)]).toEqual([1, 1 + 2 ** -52]);
    expect([sumDown(1, -(2 ** -60)), sumUp(1, -(2 ** -60))]).toEqual([1 - 2 ** -53, 1]);
  });
});

describe('regions', () => {
  it('one centre, several centres, typed arrays', () => {
    expect(ballL2([1, 2], 0.5)).toMatchObject({ kind: 'l2', count: 1, size: 2, eps: Float64Array.of(0.5) });
    const several = ballL1([Float32Array.of(1, 2), Float64Array.of(3, 4)], [0.5, 0]);
    expect(several).toMatchObject({ kind: 'l1', count: 2, size: 2, center: Float64Array.of(1, 2, 3, 4) });
    expect(Array.from(several.eps)).toEqual([0.5, 0]);
    expect(Object.isFrozen(several)).toBe(true);
  });

  it('an l-infinity ball is a box rounded outward', () => {
    const { lower, upper } = ballLinf([1, 0.1], 2 ** -60);
    expect([lower?.[0], upper?.[0]]).toEqual([nextDown(1), nextUp(1)]);
    expect(lower?.[1]).toBeLessThan(0.1);
    expect(toNativeRegion(ballLinf([1], 0.5))).toEqual({
      kind: 'box',
      count: 1,
      center: Float64Array.of(1),
      eps: Float64Array.of(0.5),
      lower: Float64Array.of(0.5),
      upper: Float64Array.of(1.5),
    });
  });

  it('the clip range is intersected: ends of a box, a box beside a ball', () => {
    const linf = ballLinf(
      [
        [0.125, 0.875],
        [0.5, 0.5],
      ],
      0.25,
      { clip: [0, 1] },
    );
    expect(Array.from(linf.lower ?? [])).toEqual([0, 0.625, 0.25, 0.25]);
    expect(Array.from(linf.upper ?? [])).toEqual([0.375, 1, 0.75, 0.75]);
    const l2 = toNativeRegion(
      ballL2(
        [
          [0.1, 0.9],
          [0.5, 0.5],
        ],
        3,
        { clip: [[0, -1], 1] },
      ),
    );
    expect(l2).toMatchObject({
      kind: 'l2',
      lower: Float64Array.of(0, -1, 0, -1),
      upper: Float64Array.of(1, 1, 1, 1),
    });
    expect(Array.from(l2.eps ?? [])).toEqual([3, 3]);
  });

  it('a box has its midpoint as centre', () => {
    const region = box(
      [
        [0, -1],
        [1, 1],
      ],
      [
        [1, 1],
        [1, 3],
      ],
    );
    expect(region).toMatchObject({ kind: 'box', count: 2, center: Float64Array.of(0.5, 0, 1, 2) });
    expect(toNativeRegion(region)).not.toHaveProperty('eps');
  });

  it.each([
    ['negative eps', () => ballL2([1], -1), InvalidArgumentError, /eps of image 0 is -1/],
    ['NaN eps', () => ballLinf([[1], [2]], [1, NaN]), InvalidArgumentError, /eps of image 1 is NaN/],
    ['infinite eps', () => ballL1([1], Infinity), InvalidArgumentError, /eps of image 0 is Infinity/],
    ['eps per image', () => ballL1([1], [1, 2]), ShapeError, /eps has 2 entries, expected one or 1/],
    ['no centre', () => ballL2([], 1), InvalidArgumentError, /center is empty/],
    ['empty centre', () => ballL2([[]], 1), InvalidArgumentError, /center is empty/],
    [
      'ragged',
      () => ballL2([[1], [1, 2]], 1),
      ShapeError,
      /center of image 1 has 2 numbers, that of image 0 has 1/,
    ],
    ['NaN centre', () => ballL2([[1], [NaN]], 1), InvalidArgumentError, /NaN at feature 0 of image 1/],
    ['clip length', () => ballL2([1], 1, { clip: [[0, 0], 1] }), ShapeError, /lower clip end has 2 numbers/],
    [
      'clip order',
      () => ballL2([1], 1, { clip: [1, 0] }),
      InvalidArgumentError,
      /outside the clip range \[1, 0\]/,
    ],
    ['clip NaN', () => ballL2([1], 1, { clip: [NaN, 2] }), InvalidArgumentError, /outside the clip range/],
    [
      'outside clip',
      () => ballL2([0, 2], 1, { clip: [0, 1] }),
      InvalidArgumentError,
      /is 2 at feature 1, outside the clip range \[0, 1\]/,
    ],
    [
      'box order',
      () => box([[0, 1]], [[1, 0]]),
      InvalidArgumentError,
      /lower end 1 is above upper end 0 at feature 1/,
    ],
    ['box shapes', () => box([0], [1, 2]), ShapeError, /lower is \[1, 1\], upper is \[1, 2\]/],
    ['box infinite', () => box([0], [Infinity]), InvalidArgumentError, /upper has the value Infinity/],
  ])('%s', (_name, make, kind, message) => {
    expect(make).toThrow(kind);
    expect(make).toThrow(message);
  });
});

describe('specifications', () => {
  it('margins of one label are shared rows', () => {
    const { rowCount, c, d, shared } = margins(1).resolve(5, 3);
    expect({ rowCount, shared, c: Array.from(c), d: Array.from(d) }).toEqual({
      rowCount: 2,
      shared: true,
      c: [-1, 1, 0, 0, 1, -1],
      d: [0, 0],
    });
  });

  it('margins of a label per image', () => {
    const { shared, c } = margins(Int32Array.of(0, 2)).resolve(2, 3);
    expect([shared, Array.from(c)]).toEqual([false, [1, -1, 0, 1, 0, -1, -1, 0, 1, 0, -1, 1]]);
  });

  it('outputs and rows', () => {
    expect(Array.from(outputs().resolve(9, 2).c)).toEqual([1, 0, 0, 1]);
    const { c, d } = rows(
      [
        [1, 2],
        [3, 4],
      ],
      [5, 6],
    ).resolve(1, 2);
    expect([Array.from(c), Array.from(d)]).toEqual([
      [1, 2, 3, 4],
      [5, 6],
    ]);
  });

  it('negatives follow the rows of each image', () => {
    const doubled = withNegatives(margins([0, 1]).resolve(2, 2), 2);
    expect(doubled.rowCount).toBe(2);
    expect(Array.from(doubled.c)).toEqual([1, -1, -1, 1, -1, 1, 1, -1]);
    const shared = withNegatives(rows([[1, 2]], [3]).resolve(4, 2), 2);
    expect([Array.from(shared.c), Array.from(shared.d)]).toEqual([
      [1, 2, -1, -2],
      [3, -3],
    ]);
  });

  it('rows of some images', () => {
    const part = forImages(margins([0, 1, 1]).resolve(3, 2), [2, 0], 2).resolve(2, 2);
    expect(Array.from(part.c)).toEqual([-1, 1, 1, -1]);
  });

  it.each([
    [
      'label range',
      () => margins(3).resolve(1, 3),
      InvalidArgumentError,
      /label is 3, expected an integer from 0 to 2/,
    ],
    ['label fraction', () => margins(0.5).resolve(1, 3), InvalidArgumentError, /label is 0.5/],
    ['label count', () => margins([0, 1]).resolve(3, 3), ShapeError, /2 labels, the region has 3 images/],
    ['one output', () => margins(0).resolve(1, 1), ShapeError, /at least 2 outputs/],
    ['no row', () => rows([]), InvalidArgumentError, /has no row/],
    ['NaN row', () => rows([[1, NaN]]), InvalidArgumentError, /row 0 has a coefficient/],
    ['constants', () => rows([[1]], [1, 2]), ShapeError, /1 rows and 2 constants/],
    [
      'row length',
      () => rows([[1, 2]]).resolve(1, 3),
      ShapeError,
      /row 0 has 2 coefficients, the model has 3 outputs/,
    ],
  ])('%s', (_name, make, kind, message) => {
    expect(make).toThrow(kind);
    expect(make).toThrow(message);
  });
});

describe('numbers in text', () => {
  it('eps', () => {
    expect([' 1e-2 ', '.5', '0', '3.', '-1/-4'].map(parseEps)).toEqual([0.01, 0.5, 0, 3, 0.25]);
    // The nearest doubles of these are below them; the next ones contain the ball that was meant.
    expect(parseEps('0.3')).toBe(nextUp(0.3));
    expect(parseEps('24/255')).toBe(nextUp(24 / 255));
    expect(parseEps('1e-400')).toBe(Number.MIN_VALUE);
    for (const bad of ['', '-1', 'abc', '1/0', '1/2/3', 'NaN', 'Infinity', '0x10', '1e999', '0.3px']) {
      expect(() => parseEps(bad)).toThrow(InvalidArgumentError);
    }
  });

  it('ranges, rounded outward', () => {
    expect(parseRange('0,1', 'clip')).toEqual([0, 1]);
    expect(parseRange('-0.3, 0.3', 'clip')).toEqual([-nextUp(0.3), nextUp(0.3)]);
    expect(parseRange('0.3,0.7', 'clip')[0]).toBe(0.3);
    for (const bad of ['', '1', '0,1,2', 'a,b', '0,', ',1']) {
      expect(() => parseRange(bad, 'clip')).toThrow(InvalidArgumentError);
    }
  });

  it('lists', () => {
    expect(parseNumberList('0.5, -1,2/4', 'x')).toEqual([0.5, -1, 0.5]);
    for (const bad of ['', '1,', '1,a', '1/0', '1/2/3']) {
      expect(() => parseNumberList(bad, '--mean')).toThrow(/--mean is/);
    }
  });
});
