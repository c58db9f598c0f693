/** Method complete as users call it: agrees with attacks, is proven by certificates, keeps its limits. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BoxClaim, CertificateChecker } from '../src/certificate/index.js';
import { CertificateMaker, type RowEvidence } from '../src/certify/certificates.js';
import { StageEvidence } from '../src/certify/evidence.js';
import {
  type Bounds,
  type BoundsOptions,
  type CertifyRecord,
  type Model,
  type Region,
  type RegionKind,
  Verifier,
  ball,
  certify,
  evaluate,
  exportOnnx,
  margins,
} from '../src/index.js';
import { searchInRounds } from '../src/verify/search-rounds.js';
import { failure } from './support/failure.js';
import { referenceOutputs } from './support/onnxruntime.js';
import { Random, linearNetwork, networkKinds } from './support/random-networks.js';
import { samplePoints } from './support/sampling.js';

let verifier: Verifier;
beforeAll(() => {
  verifier = new Verifier({ threads: 2 });
});
afterAll(() => verifier.close());

const norms = ['l1', 'l2', 'linf'] as const;
type Norm = Extract<RegionKind, (typeof norms)[number]>;
const kinds: Record<string, (random: Random) => Model> = {
  linear: (random) => linearNetwork(random, [8, 24, 20, 4]),
  convolutions: networkKinds['stridedConvolution'],
  residual: networkKinds['residual'],
};

/** A network, an image of it and its class. */
function problem(kind: string, seed: number) {
  const random = new Random(seed);
  const model = kinds[kind](random);
  const center = random.vector(model.inputSize, 0.2, 0.8);
  const y = evaluate(model.graph, center);
  return { random, model, center, label: y.indexOf(Math.max(...y)) };
}

/** Balls that shrink from where an attack succeeds, until the search proves one. */
async function searched(kind: string, norm: Norm, seed: number, more: Partial<BoundsOptions> = {}) {
  const { random, model, center, label } = problem(kind, seed);
  const specification = margins(label);
  const contradictions: string[] = [];
  for (let eps = norm === 'linf' ? 1 : 3; eps > 1e-3; eps *= 0.8) {
    const region = ball(norm, center, eps, { clip: [0, 1] });
    const { margin } = await verifier.attack(model, region, { specification });
    if (margin[0] < 0) continue;
    const options = {
      specification,
      method: 'complete',
      subproblems: 600,
      multipliers: true,
      ...more,
    } as const;
    const bounds = await verifier.bounds(model, region, options);
    const samples = samplePoints(random, region, 0, 200).map((x) => evaluate(model.graph, x));
    for (const [row, other] of [...samples[0].keys()].filter((j) => j !== label).entries()) {
      const least = Math.min(...samples.map((values) => values[label] - values[other]));
      if (bounds.lower[row] > least) contradictions.push(`${kind}, ${norm}, ${seed}, ${eps}: row ${row}`);
    }
    if (bounds.lower.every((bound) => bound > 0))
      return { model, center, label, eps, bounds, contradictions };
  }
  throw new Error(`no ball around the image of ${kind} ${seed} is proven`);
}

/** Evidence whose certificate the checker accepts. */
function certified(
  norm: Norm,
  model: Model,
  center: Float64Array,
  label: number,
  eps: number,
  bounds: Bounds,
): { rows: readonly RowEvidence[]; boxes: readonly BoxClaim[] } {
  const maker = new CertificateMaker(model);
  const evidence = new StageEvidence(model.graph, bounds);
  const rows = Array.from(bounds.lower, (_, row) => evidence.row(0, row)!.evidence);
  const boxes = maker.boxClaims(evidence.boxes(0));
  const region = { kind: norm, eps, clip: [0, 1] as const };
  const { lower } = bounds;
  const certificate = maker.make({ index: 0, center, label, region, assurance: 'real', rows, boxes, lower });
  const proven = new CertificateChecker(model).bounds(certificate!, center);
  expect(proven.every((bound) => bound > 0)).toBe(true);
  return { rows, boxes };
}

describe.each(norms)('%s balls', (norm) => {
  it.each(Object.keys(kinds))('of %s networks: sound, and the checker accepts the trees', async (kind) => {
    let leaves = 0;
    for (let seed = 1; seed <= 5; seed += 1) {
      const { model, center, label, eps, bounds, contradictions } = await searched(kind, norm, seed);
      expect(contradictions).toEqual([]);
      const { rows } = certified(norm, model, center, label, eps, bounds);
      leaves = Math.max(leaves, ...rows.map((row) => row.leaves.length));
    }
    expect(leaves).toBeGreaterThan(1);
  });
});

/** The point's distance from the centre, whichever way it is summed, is at most eps, with no tolerance. */
function isInside(norm: Norm, x: Float64Array, center: Float64Array, eps: number): boolean {
  const moved = Array.from(x, (value, i) => Math.abs(value - center[i]));
  if (x.some((value) => !(value >= 0 && value <= 1))) return false;
  if (norm === 'linf') return moved.every((each) => each <= eps);
  const sum = (values: number[]): number =>
    values.reduce((total, each) => total + (norm === 'l1' ? each : each * each), 0);
  const most = Math.max(sum(moved), sum(moved.toReversed()));
  return (norm === 'l1' ? most : Math.sqrt(most)) <= eps;
}

describe('an attack beside it', () => {
  /** What is wrong with the counterexample of a search; undefined: nothing. */
  async function fault(norm: Norm, model: Model, label: number, region: Region, bounds: Bounds) {
    const { attack, limits, lower } = bounds;
    const marginOf = (y: Float64Array): number =>
      Math.min(...[...y.keys()].filter((j) => j !== label).map((j) => y[label] - y[j]));
    const { margin, row, point } = attack!;
    if (limits![0] !== 'falsified') return `the search ended by ${limits![0]}`;
    if (lower[row[0]] !== -Infinity) return 'its row has a bound';
    if (!isInside(norm, point, region.center, region.eps[0])) return 'it is outside the ball';
    const value = marginOf(evaluate(model.graph, point));
    if (!(value < 0 && Math.abs(value - margin[0]) < 1e-9)) return `its margin is ${value}, not ${margin[0]}`;
    const [y] = await referenceOutputs(exportOnnx(model.graph), [point], [1, ...model.inputShape]);
    return marginOf(y) < value + 1e-4 ? undefined : `onnxruntime has ${marginOf(y)}`;
  }

  it.each(norms)(
    'finds counterexamples strictly inside %s balls, which onnxruntime confirms',
    async (norm) => {
      let falsified = 0;
      let missed = 0;
      const faults: string[] = [];
      for (const kind of Object.keys(kinds)) {
        for (let seed = 1; seed <= 4; seed += 1) {
          const { model, center, label } = problem(kind, seed);
          const specification = margins(label);
          for (let eps = norm === 'linf' ? 1 : 3, proven = false; eps > 1e-2 && !proven; eps *= 0.6) {
            const region = ball(norm, center, eps, { clip: [0, 1] });
            const { margin } = await verifier.attack(model, region, { specification, restarts: 64 });
            const options = { specification, method: 'complete', subproblems: 600, falsify: true } as const;
            const bounds = await verifier.bounds(model, region, options);
            const found = bounds.attack!.margin[0] < 0;
            proven = bounds.lower.every((bound) => bound > 0);
            falsified += Number(found);
            missed += Number(!found && margin[0] < -1e-3);
            const wrong = found && (await fault(norm, model, label, region, bounds));
            if (wrong) faults.push(`${kind}, seed ${seed}, eps ${eps}: ${wrong}`);
          }
        }
      }
      expect(faults).toEqual([]);
      expect(falsified).toBeGreaterThan(20);
      // Descents may end elsewhere than those of another attack: nearly all that it finds is found.
      expect(20 * missed).toBeLessThanOrEqual(falsified);
    },
  );
});

it.each(['l1', 'l2', 'linf'] as const)(
  'radius ends a step at a counterexample, as far as that is, %s',
  async (norm) => {
    for (let seed = 1; seed <= 4; seed += 1) {
      const { model, center, label } = problem('linear', seed);
      const options = { norm, specification: margins(label), tolerance: 1e-2, max: 4 } as const;
      const { lower, upper } = await verifier.radius(model, center, { ...options, method: 'complete' });
      const joint = await verifier.radius(model, center, { ...options, method: 'joint' });
      expect(lower[0]).toBeGreaterThanOrEqual(joint.lower[0] - 1e-2);
      // Eight inputs and 44 neurons: nothing stays undecided.
      expect(upper[0] - lower[0], `seed ${seed}`).toBeGreaterThan(0);
      expect(upper[0] - lower[0], `seed ${seed}`).toBeLessThan(2e-2);
      const region = ball(norm, center, upper[0]);
      const settings = { specification: margins(label), method: 'complete' } as const;
      const proven = await verifier.bounds(model, region, settings);
      expect(Math.min(...proven.lower), `seed ${seed}`).toBeLessThanOrEqual(0);
      const { margin } = await verifier.attack(model, region, {
        specification: margins(label),
        restarts: 64,
      });
      expect(margin[0], `seed ${seed}`).toBeLessThan(1e-3);
    }
  },
);

it.each(['linf', 'l2'] as const)('certificates hold boxes that are trees of splits, %s', async (norm) => {
  let trees = 0;
  for (let seed = 1; seed <= 4; seed += 1) {
    const found = await searched('linear', norm, seed, { boxes: 'optimised', boxSubproblems: 200 });
    expect(found.contradictions).toEqual([]);
    const { model, center, label, eps, bounds } = found;
    const { boxes } = certified(norm, model, center, label, eps, bounds);
    trees += boxes.filter(({ proof }) => 'sides' in proof).length;
  }
  expect(trees).toBeGreaterThan(5);
});

describe('limits', () => {
  /** A ball too large to be decided. */
  async function endless(options: object) {
    const model = linearNetwork(new Random(5), [60, 120, 120, 120, 5]);
    const region = ball('linf', new Random(6).vector(60, 0, 1), 0.5);
    return verifier.bounds(model, region, { specification: margins(0), method: 'complete', ...options });
  }

  it('stops at the time limit with bounds that are marked', async () => {
    const begin = performance.now();
    const bounds = await endless({ timeLimit: 0.3, assurance: 'none' });
    expect(performance.now() - begin).toBeLessThan(1500);
    expect(bounds.timedOut).toEqual([true]);
    expect(bounds.limits).toEqual(['time']);
    expect(bounds.lower.every(Number.isFinite)).toBe(true);
    expect(bounds.subproblems![0]).toBeGreaterThan(0);
  });

  it('stops after the subproblems it is given, which is no time limit', async () => {
    const bounds = await endless({ subproblems: 50 });
    expect(bounds.timedOut).toEqual([false]);
    expect(bounds.limits).toEqual(['subproblems']);
    expect(bounds.subproblems![0]).toBeGreaterThanOrEqual(50);
    expect(bounds.subproblems![0]).toBeLessThan(50 + 2 * 64);
    // Only what leaves prove is reported at an assurance.
    expect(Array.from(bounds.lower)).toContain(-Infinity);
  });

  it('a campaign says what an image took and what ended it', async () => {
    const model = linearNetwork(new Random(5), [60, 120, 120, 120, 5]);
    const data = new Random(6).vector(60, 0, 1);
    const labels = Int32Array.of((await verifier.predict(model, data))[0]);
    const images = { data, count: 1, size: 60, start: 0, available: 1 };
    const records: CertifyRecord[] = [];
    const options = { norm: 'linf', eps: 0.5, method: 'complete', attack: false, subproblems: 20 } as const;
    const onRecord = (record: CertifyRecord): number => records.push(record);
    const { subproblems } = await certify(verifier, model, { images, labels }, { ...options, onRecord });
    expect(records).toMatchObject([{ verdict: 'unknown', limit: 'subproblems', subproblems }]);
    expect(subproblems).toBeGreaterThanOrEqual(20);
    records.length = 0;
    await certify(verifier, model, { images, labels }, { ...options, method: 'joint', onRecord });
    expect(records[0]).not.toHaveProperty('subproblems');
  });

  it('searches what a few splits leave open again on better boxes, within the same limits', async () => {
    const model = linearNetwork(new Random(5), [60, 120, 120, 120, 5]);
    const data = new Random(6).vector(60, 0, 1);
    const [label] = await verifier.predict(model, data);
    const region = ball('linf', [data, data, data], [0.15, 1e-3, 0.08]);
    const calls: { part: Region; asked: BoundsOptions; found: Bounds }[] = [];
    const once = async (part: Region, asked: BoundsOptions): Promise<Bounds> => {
      const found = await verifier.bounds(model, part, { boxes: 'crown', ...asked });
      calls.push({ part, asked, found });
      return found;
    };
    const limits = { subproblems: 400, timeLimit: 1000, multipliers: true, falsify: true };
    const options = { specification: margins(label), method: 'complete', ...limits } as const;
    const both = await searchInRounds(once, region, options, model.outputSize);
    expect(calls).toHaveLength(2);
    const [first, next] = calls;
    const spent = first.found.subproblems!;
    expect(first.found.limits).toEqual(['subproblems', 'none', 'subproblems']);
    expect(Math.max(...spent)).toBeLessThan(200);
    expect(Array.from(next.part.eps)).toEqual([0.15, 0.08]);
    expect(next.asked).toMatchObject({ boxes: 'optimised', subproblems: 400 - Math.max(...spent) });
    expect(next.asked.timeLimit).toBeLessThan(1000);

    const more = next.found.subproblems!;
    expect(Array.from(both.subproblems!)).toEqual([spent[0] + more[0], spent[1], spent[2] + more[1]]);
    expect(both.limits).toEqual([next.found.limits![0], 'none', next.found.limits![1]]);
    expect(both.lower.subarray(4, 8)).toEqual(first.found.lower.subarray(4, 8));
    expect(both.lower.subarray(4, 8).every((bound) => bound > 0)).toBe(true);
    expect(both.lower.subarray(8)).toEqual(next.found.lower.subarray(4));
    expect(both.leaves!.slice(8)).toEqual(next.found.leaves!.slice(4));
    expect(both.attack!.margin[2]).toBe(
      Math.min(first.found.attack!.margin[2], next.found.attack!.margin[1]),
    );
    const boxesOf = (bounds: Bounds, image: number): number =>
      bounds.boxes!.filter((box) => box.image === image).length;
    expect([0, 1, 2].map((image) => boxesOf(both, image))).toEqual([
      boxesOf(next.found, 0),
      boxesOf(first.found, 1),
      boxesOf(next.found, 1),
    ]);

    calls.length = 0;
    await searchInRounds(once, region, { ...options, boxes: 'crown' }, model.outputSize);
    expect(calls).toHaveLength(1);
  });

  it('leaves an image whose proven leaves find no room', async () => {
    const { model, center, label, eps, bounds } = await searched('linear', 'l2', 1);
    expect(bounds.limits).toEqual(['none']);
    const region = ball('l2', center, eps, { clip: [0, 1] });
    const options = { specification: margins(label), method: 'complete' } as const;
    const cramped = await verifier.bounds(model, region, { ...options, memory: 0 });
    expect(cramped.limits).toEqual(['memory']);
    expect(Array.from(cramped.lower)).toContain(-Infinity);
    await expect(verifier.bounds(model, region, { ...options, memory: -1 })).rejects.toThrow(
      'memory is -1, expected an integer from 0',
    );
  });

  it('rejects with AbortError soon after the signal', async () => {
    const interrupt = new AbortController();
    let fired = 0;
    setTimeout(() => {
      fired = performance.now();
      interrupt.abort();
    }, 200);
    expect(await failure(endless({ signal: interrupt.signal }))).toMatchObject({ code: 'ERR_ABORTED' });
    expect(performance.now() - fired).toBeLessThan(500);
  });
});
