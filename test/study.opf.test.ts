/** The OPF study with tiny settings on a grid of its own: violations fall, files and figure are there. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseMatpower } from '../src/index.js';
import { pairGrid } from './support/grids.js';
import { type Rise, type StudyResult, rises, study } from '../studies/opf/study.mjs';

const grid = parseMatpower(pairGrid);
const out = mkdtempSync(join(tmpdir(), 'opf-'));
let results: StudyResult[];
let found: Rise[];

beforeAll(async () => {
  const settings = { train: 60, test: 30, steps: 300, weights: [0, 0.1, 1], radii: [0, 0.5, 1] };
  ({ results, rises: found } = await study(grid, { out, threads: 1, ...settings }));
});
afterAll(() => rmSync(out, { recursive: true, force: true }));

describe('the study of certified feasibility', () => {
  it('trades accuracy for certified violation', () => {
    const violation = results.map(({ violations }) => violations[2].each.reduce((a, b) => a + b, 0));
    expect(violation[1]).toBeLessThan(violation[0]);
    expect(violation[2]).toBeLessThan(violation[1]);
    expect(results[2].error).toBeGreaterThan(results[0].error);
    // A larger ball holds the smaller one.
    for (const { violations } of results) {
      violations.slice(1).forEach(({ each }, k) => {
        each.forEach((value, j) => expect(value).toBeGreaterThanOrEqual(violations[k].each[j] - 1e-6));
      });
    }
    expect(found.filter(({ generator, eps }) => generator === 'all' && eps === 1)).toEqual([]);
  });

  it('finds where a violation rises', () => {
    const at = (weight: number, each: number[]): StudyResult => ({
      weight,
      error: 0,
      violations: [{ eps: 1, each }],
    });
    const [one, both] = rises([at(0, [1, 1]), at(0.1, [0.5, 1.25])]);
    expect(one).toMatchObject({ weight: 0.1, eps: 1, generator: 2, by: 0.25 });
    expect(both).toBeUndefined();
  });

  it('writes a table, its points and the figure', () => {
    expect(readFileSync(join(out, 'opf.md'), 'utf8')).toMatch(
      /^\| λ \| test MSE \| violation @ 0 \|.*G2 @ 1 \|$/m,
    );
    const lines = readFileSync(join(out, 'opf.csv'), 'utf8').trim().split('\n');
    expect(lines).toHaveLength(1 + 3 * 3 * 2);
    expect(readFileSync(join(out, 'opf.svg'), 'utf8')).toMatch(
      /^<svg[\s\S]*certified violation[\s\S]*<\/svg>\n$/,
    );
    expect(readFileSync(join(out, 'opf.png')).subarray(1, 4).toString()).toBe('PNG');
  });
});
