/** Campaigns on networks of few inputs, where branch and bound splits these. */
import { readdir } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type CertifyOptions,
  type CertifyRecord,
  type Model,
  Verifier,
  certify,
  evaluate,
} from '../src/index.js';
import { temporaryFolder } from './support/array-files.js';
import { Random, linearNetwork } from './support/random-networks.js';

const folder = temporaryFolder();
let verifier: Verifier;
beforeAll(() => {
  verifier = new Verifier({ threads: 2 });
});
afterAll(() => verifier.close());

const inputs = 2;
const count = 12;
const eps = 0.25;

/** A network of two inputs, points of the unit square, and their classes. */
async function problem(seed: number) {
  const random = new Random(seed);
  const model = linearNetwork(random, [inputs, 16, 16, 16, 3]);
  const data = random.vector(inputs * count, 0, 1);
  const points = Array.from({ length: count }, (_, i) => data.subarray(i * inputs, (i + 1) * inputs));
  const labels = await verifier.predict(model, points);
  return { model, points, labels, images: { data, count, size: inputs, start: 0, available: count } };
}

async function run(seed: number, options: Partial<CertifyOptions> = {}) {
  const { model, images, labels, points } = await problem(seed);
  const records: CertifyRecord[] = [];
  await certify(
    verifier,
    model,
    { images, labels },
    {
      norm: 'linf',
      eps,
      clip: [0, 1],
      method: 'complete',
      onRecord: (record) => records.push(record),
      ...options,
    },
  );
  return { model, points, labels, records };
}

/** The least margin on a grid over the ball. */
function leastOnGrid(model: Model, center: Float64Array, label: number): number {
  const steps = 16;
  const at = (c: number, k: number): number => Math.min(1, Math.max(0, c + eps * ((2 * k) / steps - 1)));
  let least = Infinity;
  for (let i = 0; i <= steps; i += 1) {
    for (let j = 0; j <= steps; j += 1) {
      const y = evaluate(model.graph, Float64Array.of(at(center[0], i), at(center[1], j)));
      for (const [other, value] of y.entries())
        if (other !== label) least = Math.min(least, y[label] - value);
    }
  }
  return least;
}

describe('few inputs', () => {
  it('every image is decided, and the points of a grid agree', async () => {
    const verdicts: string[] = [];
    const wrong: string[] = [];
    let searched = 0;
    for (const attack of [true, false]) {
      for (const seed of [1, 2, 3]) {
        const { model, points, labels, records } = await run(seed, { attack });
        for (const { index, verdict, lower, attackMargin, subproblems = 0 } of records) {
          const least = leastOnGrid(model, points[index], labels[index]);
          verdicts.push(verdict);
          searched += subproblems;
          const proven = Math.min(...(lower ?? []).map(Number)) > 0;
          const right = verdict === 'verified' ? proven && least > 0 : Number(attackMargin) < 0;
          if (!right) wrong.push(`${seed}: ${index} ${verdict}, grid ${least}, attack ${attackMargin}`);
        }
      }
    }
    expect(wrong).toEqual([]);
    expect(new Set(verdicts)).toEqual(new Set(['verified', 'falsified']));
    expect(verdicts.filter((verdict) => verdict === 'verified').length).toBeGreaterThan(10);
    expect(verdicts.filter((verdict) => verdict === 'falsified').length).toBeGreaterThan(10);
    expect(searched).toBeGreaterThan(20);
  });

  it('where certificates are asked for, ReLUs are split, and nothing contradicts', async () => {
    const { records } = await run(1, { certificates: folder.path, subproblems: 200 });
    const { records: split } = await run(1);
    let agreed = 0;
    for (const [i, { verdict }] of records.entries()) {
      if (verdict === 'unknown') continue;
      agreed += 1;
      expect(verdict).toBe(split[i].verdict);
    }
    expect(agreed).toBeGreaterThan(8);
    expect(await readdir(folder.path)).toHaveLength(
      records.filter(({ verdict }) => verdict === 'verified').length,
    );
  });

  it('keeps the limits on boxes', async () => {
    const { records } = await run(1, { attack: false, subproblems: 0 });
    const open = records.filter(({ method }) => method === 'complete');
    expect(open.length).toBeGreaterThan(0);
    for (const record of open)
      expect(record).toMatchObject({ verdict: 'unknown', subproblems: 0, limit: 'subproblems' });
  });
});
