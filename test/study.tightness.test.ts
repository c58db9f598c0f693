/** The tightness study with tiny settings on a synthetic network: order of the curves, resuming, figures. */
import { spawnSync } from 'node:child_process';
import { appendFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Verifier } from '../src/verify/index.js';
import { type StudyPoint, type StudyProblem, study } from '../studies/tightness/study.mjs';
import { Random, linearNetwork } from './support/random-networks.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const out = mkdtempSync(join(tmpdir(), 'tightness-'));
const table = join(out, 'tightness.csv');
const settings = {
  out,
  threads: 1,
  images: 3,
  limit: 1,
  iterations: 60,
  factors: [0.5, 1],
  completeFactors: [1],
};

let problem: StudyProblem;
let points: StudyPoint[];

async function classified(): Promise<StudyProblem> {
  const random = new Random(7);
  const model = linearNetwork(random, [6, 14, 12, 3]);
  const centers = Array.from({ length: 5 }, () => random.vector(6, 0.2, 0.8));
  const verifier = new Verifier({ threads: 1 });
  const labels = Array.from(await verifier.predict(model, centers));
  await verifier.close();
  // One image that the study has to leave out.
  labels[1] = (labels[1] + 1) % 3;
  return { name: 'synthetic', title: 'Synthetic', model, centers, labels, eps: 0.3, clip: [0, 1] };
}

beforeAll(async () => {
  problem = await classified();
  points = await study([problem], settings);
});
afterAll(() => rmSync(out, { recursive: true }));

const mean = (quantity: string, method: string, radius: number): number => {
  const point = points.find((p) => p.quantity === quantity && p.method === method && p.radius === radius);
  if (!point) throw new Error(`no point ${quantity} ${method} ${radius}`);
  return point.mean;
};

describe('the tightness study', () => {
  it('bounds every margin of the images that are classified correctly', () => {
    expect(points.map(({ rows }) => rows)).toEqual(points.map(() => 6));
    expect(points.filter(({ quantity }) => quantity === 'margin')).toHaveLength(6 + 7);
    expect(points.filter(({ quantity }) => quantity === 'offset')).toHaveLength(4);
  });

  it.each([0.15, 0.3])('orders attack and methods as theory does at radius %s', (radius) => {
    const attack = mean('margin', 'attack', radius);
    for (const method of ['weighted', 'joint', 'sdp-crown', 'alpha-crown', 'lip']) {
      expect(mean('margin', method, radius)).toBeLessThanOrEqual(attack);
    }
    // 60 steps end short of the optimum.
    expect(mean('margin', 'joint', radius)).toBeGreaterThanOrEqual(
      mean('margin', 'sdp-crown', radius) - 1e-3,
    );
    expect(mean('margin', 'joint', radius)).toBeGreaterThan(mean('margin', 'lip', radius));
    expect(mean('margin', 'weighted', radius)).toBeGreaterThanOrEqual(mean('margin', 'joint', radius));
  });

  it('brings branch and bound to the attack on a network this small', () => {
    const attack = mean('margin', 'attack', 0.3);
    expect(mean('margin', 'complete', 0.3)).toBeLessThanOrEqual(attack);
    expect(mean('margin', 'complete', 0.3)).toBeGreaterThan(attack - 5e-3);
  });

  it('measures offsets that cost something, the more the wider the ball', () => {
    for (const method of ['sdp-crown', 'alpha-crown']) {
      expect(mean('offset', method, 0.15)).toBeLessThanOrEqual(1e-5);
      expect(mean('offset', method, 0.3)).toBeLessThan(mean('offset', method, 0.15));
    }
  });

  it('says which curves are not proven', () => {
    const unproven = new Set(
      points.filter(({ assurance }) => assurance === 'none').map(({ method }) => method),
    );
    expect([...unproven].sort()).toEqual(['attack', 'complete']);
    const svg = readFileSync(join(out, 'synthetic.svg'), 'utf8');
    expect(svg).toContain('complete, 1 s an image (assurance none)');
    expect(svg).not.toContain('joint (assurance none)');
  });

  it('draws an SVG and a PNG', () => {
    expect(readFileSync(join(out, 'synthetic.svg'), 'utf8')).toMatch(/^<svg .*<\/svg>\n$/s);
    const png = readFileSync(join(out, 'synthetic.png'));
    expect(png.subarray(0, 8)).toEqual(Buffer.from('89504e470d0a1a0a', 'hex'));
    expect(png.readUInt32BE(16)).toBeGreaterThan(1000);
  });

  it('goes on where it was, a line cut short included', async () => {
    appendFileSync(table, 'synthetic,margin,joi');
    const before = readFileSync(table, 'utf8').split('\n').length;
    const again = await study([problem], { ...settings, factors: [0.5, 1, 1.5] });
    expect(again.filter(({ known }) => !known).every(({ radius }) => radius > 0.4)).toBe(true);
    expect(again.filter(({ known }) => known).map(({ mean: value }) => value)).toEqual(
      points.map(({ mean: value }) => value),
    );
    expect(readFileSync(table, 'utf8').split('\n')).toHaveLength(before + again.length - points.length);
  });

  it('asks for as many images as there are', async () => {
    await expect(study([problem], { ...settings, images: 5 })).rejects.toThrow(
      'synthetic: 4 of 5 images are classified correctly, 5 wanted',
    );
  });

  it('ends with code 2 where ../shared is absent', () => {
    const copy = join(out, 'elsewhere', 'project');
    mkdirSync(join(copy, 'scripts'), { recursive: true });
    cpSync(join(root, 'scripts/published-networks.mjs'), join(copy, 'scripts/published-networks.mjs'));
    cpSync(join(root, 'studies'), join(copy, 'studies'), { recursive: true });
    for (const name of ['dist', 'node_modules', 'package.json'])
      symlinkSync(join(root, name), join(copy, name));
    const run = spawnSync('node', [join(copy, 'studies/tightness/main.mjs')], {
      cwd: copy,
      encoding: 'utf8',
    });
    expect([run.status, run.stdout]).toEqual([2, '']);
    expect(run.stderr).toContain('is absent');
  });
});
