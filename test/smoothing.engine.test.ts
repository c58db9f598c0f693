/** Randomized smoothing on the real engine: on linear models the smoothed classifier is known exactly. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  AbortError,
  InvalidArgumentError,
  type Model,
  ShapeError,
  type SmoothRecord,
  Verifier,
  loadModel,
  smoothedPrediction,
  smoothedRadius,
} from '../src/index.js';
import { npyFloat64, npyInt64, temporaryFolder } from './support/array-files.js';
import { realAddonPath, runCommand } from './support/command-line.js';
import { buildOnnx, float, node } from './support/onnx-build.js';

const folder = temporaryFolder();
const weights = [1, -2, 0.5, 3];
const length = Math.hypot(...weights);
let verifier: Verifier;
let model: Model;
let bytes: Uint8Array;

/** y = (w x, 0): class 0 on the half-space w x > 0, so that the true radius of x is w x / ||w||. */
beforeAll(async () => {
  verifier = new Verifier({ threads: 2 });
  bytes = buildOnnx({
    input: ['N', 4],
    nodes: [node('Gemm', ['x', 'w', 'b'], 'y')],
    tensors: {
      w: float(
        [4, 2],
        weights.flatMap((weight) => [weight, 0]),
      ),
      b: float([2], [0, 0]),
    },
  });
  model = await loadModel(bytes);
});
afterAll(() => verifier.close());

/** A point at this distance from the plane w x = 0; exact in float32. */
function at(distance: number): Float64Array {
  return Float64Array.from(weights, (weight) => Math.fround((weight * distance) / length));
}

describe('smoothedRadius', () => {
  it('exceeds the true radius in at most a share alpha of repetitions', async () => {
    const [alpha, repetitions, sigma] = [0.1, 4000, 0.5];
    for (const distance of [0.2, 0.5, 1.2]) {
      const x = Array.from({ length: repetitions }, () => at(distance));
      const found = await smoothedRadius(verifier, model, x, { sigma, n0: 20, n: 100, alpha, seed: 5 });
      const wrong = found.filter(({ predicted, radius }) => predicted === 1 || radius > distance).length;
      const deviation = Math.sqrt((alpha * (1 - alpha)) / repetitions);
      expect(wrong / repetitions).toBeLessThan(alpha + 5 * deviation);
      const mean = found.reduce((sum, { radius }) => sum + radius, 0) / repetitions;
      expect(mean).toBeGreaterThan(0.3 * distance);
    }
  });

  it('comes close to the true radius with many samples', async () => {
    const [{ predicted, radius, pLower, count }] = await smoothedRadius(verifier, model, at(0.4), {
      sigma: 0.5,
      seed: 1,
    });
    expect(predicted).toBe(0);
    expect(radius).toBeLessThan(0.4);
    expect(radius).toBeGreaterThan(0.39);
    expect(pLower).toBeLessThan(count / 100_000);
  });

  it('abstains on the border', async () => {
    const border = { sigma: 0.5, n: 1000, seed: 2 };
    expect(await smoothedRadius(verifier, model, at(0), border)).toMatchObject([
      { predicted: null, radius: 0 },
    ]);
  });

  it('takes the distance to the float32 input off', async () => {
    // Far from the border every sample has class 0, so that only the rounding tells the two apart.
    const near = Float64Array.from([100, 0, 0, 0]);
    const off = Float64Array.from([100 + 2e-6, 0, 0, 0]);
    const options = { sigma: 0.5, n: 1000 };
    const [[exact], [rounded]] = [
      await smoothedRadius(verifier, model, near, options),
      await smoothedRadius(verifier, model, off, options),
    ];
    expect(exact.radius - rounded.radius).toBeGreaterThan(1.9e-6);
    expect(exact.radius - rounded.radius).toBeLessThan(2.1e-6);
  });

  it('does not depend on threads, neighbours or the number of samples in a call', async () => {
    const one = new Verifier({ threads: 1 });
    try {
      const x = [at(0.1), at(0.2), at(-0.3)];
      const options = { sigma: 0.3, seed: 3, samples: 1000, streams: Int32Array.of(4, 5, 6) };
      const counts = await verifier.classCounts(model, x, options);
      expect(await one.classCounts(model, x, options)).toEqual(counts);
      const last = await one.classCounts(model, x[2], { ...options, streams: Int32Array.of(6) });
      expect(last).toEqual([counts[2]]);
      const parts = await Promise.all(
        [0, 300].map((first) =>
          verifier.classCounts(model, x, { ...options, first, samples: first === 0 ? 300 : 700 }),
        ),
      );
      expect(parts[0].map((part, i) => part.map((count, k) => count + parts[1][i][k]))).toEqual(counts);
    } finally {
      await one.close();
    }
  });

  it('refuses what makes no sense, and stops when told', async () => {
    const options = { sigma: 0.5, n: 100 };
    await expect(smoothedRadius(verifier, model, at(1), { ...options, sigma: 0 })).rejects.toThrow(
      'sigma is 0',
    );
    await expect(smoothedRadius(verifier, model, at(1), { ...options, alpha: 1 })).rejects.toThrow(
      'alpha is 1',
    );
    await expect(
      smoothedRadius(verifier, model, at(1), { ...options, streams: Int32Array.of(1, 2) }),
    ).rejects.toThrow(InvalidArgumentError);
    await expect(smoothedRadius(verifier, model, new Float64Array(3), options)).rejects.toThrow(ShapeError);
    const signal = AbortSignal.timeout(50);
    const endless = { sigma: 0.5, n: 2 ** 31 - 1000, signal };
    await expect(smoothedRadius(verifier, model, at(1), endless)).rejects.toThrow(AbortError);
  });
});

describe('smoothedPrediction', () => {
  it('is wrong in at most a share alpha of repetitions, and abstains on the border', async () => {
    const [alpha, repetitions] = [0.1, 2000];
    const x = Array.from({ length: repetitions }, () => at(0.02));
    const found = await smoothedPrediction(verifier, model, x, { sigma: 0.5, n: 100, alpha, seed: 9 });
    expect(found.filter(({ predicted }) => predicted === 1).length / repetitions).toBeLessThan(alpha);
    expect(found.filter(({ predicted }) => predicted === 0).length).toBeGreaterThan(0);
    const border = await smoothedPrediction(
      verifier,
      model,
      Array.from({ length: repetitions }, () => at(0)),
      {
        sigma: 0.5,
        n: 100,
        alpha,
        seed: 10,
      },
    );
    const spoken = border.filter(({ predicted }) => predicted !== null).length / repetitions;
    expect(spoken).toBeLessThan(alpha + 5 * Math.sqrt((alpha * (1 - alpha)) / repetitions));
  });
});

describe('bulwark smooth', () => {
  const distances = [0.5, -0.5, 0, 1];
  let files: string[];
  beforeAll(async () => {
    const path = await folder.write('half-space.onnx', bytes);
    const points = distances.flatMap((distance) => [...at(distance)]);
    const data = await folder.write('points.npy', npyFloat64([4, 4], points));
    const labels = await folder.write('classes.npy', npyInt64([0, 0, 0, 0]));
    files = [path, '--data', data, '--labels', labels, '--sigma', '0.5'];
  });
  const smoothCommand = (...more: string[]) =>
    runCommand(['smooth', ...files, ...more], { addon: realAddonPath });

  it('writes records, prints what they mean, and never says verified', async () => {
    const out = join(folder.path, 'smooth.jsonl');
    const { code, stdout } = await smoothCommand('--n', '2000', '--out', out);
    expect(code).toBe(0);
    const text = await readFile(out, 'utf8');
    const records = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as SmoothRecord);
    expect(records.map(({ outcome }) => outcome)).toEqual([
      'certified',
      'misclassified',
      'abstained',
      'certified',
    ]);
    records.forEach(({ radius }, i) => expect(radius).toBeLessThanOrEqual(Math.abs(distances[i])));
    expect(stdout).toMatch(/^certified +2 +50.0 %$/m);
    expect(stdout).toMatch(/^of the smoothed classifier; each statement is wrong .* at most 0.001$/m);
    expect(stdout + text).not.toMatch(/verified/i);
  });

  it('continues a run with the same records, and refuses other settings', async () => {
    const [whole, part] = ['whole.jsonl', 'part.jsonl'].map((name) => join(folder.path, name));
    const strip = async (path: string) => (await readFile(path, 'utf8')).replace(/,"seconds":[^}]*/g, '');
    expect((await smoothCommand('--n', '500', '--out', whole)).code).toBe(0);
    const lines = (await readFile(whole, 'utf8')).split('\n');
    await folder.write('part.jsonl', Buffer.from(`${lines[0]}\n${lines[1].slice(0, 20)}`));
    await folder.write('part.jsonl.settings.json', await readFile(`${whole}.settings.json`));
    const other = await smoothCommand('--n', '501', '--out', part, '--resume');
    expect(other).toMatchObject({ code: 2 });
    expect(other.stderr).toContain('n was 500, is 501');
    expect((await smoothCommand('--n', '500', '--out', part, '--resume', '--threads', '1')).code).toBe(0);
    expect(await strip(part)).toBe(await strip(whole));
  });

  it('predicts, ends with JSON, and refuses a range of pixels', async () => {
    const { stdout } = await smoothCommand('--n', '1000', '--predict', '--json');
    expect(JSON.parse(stdout)).toMatchObject({ total: 4, correct: 2, misclassified: 1, abstained: 1 });
    expect(await smoothCommand('--clip', '0,1')).toMatchObject({ code: 2 });
  });
});
