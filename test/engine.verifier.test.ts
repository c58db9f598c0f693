/** The verifier on the real engine, with the bundled demo network. */
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digitSize, drawDigits } from '../demo/digits.mjs';
import {
  AbortError,
  ClosedError,
  type Model,
  type Norm,
  Verifier,
  ballL2,
  ballLinf,
  evaluate,
  loadModel,
  margins,
  outputs,
} from '../src/index.js';
import { ball } from '../src/problem/index.js';
import { failure } from './support/failure.js';

const path = fileURLToPath(new URL('../demo/digits.onnx', import.meta.url));
const count = 12;
const size = digitSize * digitSize;
/** More ascent than any test waits for. */
const endless = { specification: outputs(), iterations: 2 ** 30, coefficients: true };

let model: Model;
let verifier: Verifier;
let centers: Float64Array[];
let labels: Int32Array;

beforeAll(async () => {
  model = await loadModel(path);
  verifier = new Verifier({ threads: 2 });
  const { images } = drawDigits(count, 99);
  centers = Array.from({ length: count }, (_, i) =>
    Float64Array.from(images.subarray(i * size, (i + 1) * size), (pixel) => pixel / 255),
  );
  labels = await verifier.predict(model, centers);
});
afterAll(() => verifier.close());

describe('calls', () => {
  it('forward agrees with plain evaluation', async () => {
    const { data, shape } = await verifier.forward(model, centers);
    expect(shape).toEqual([count, 10]);
    centers.forEach((center, image) => {
      const expected = evaluate(model.graph, center);
      expected.forEach((y, j) => expect(data[image * 10 + j]).toBeCloseTo(y, 4));
    });
  });

  it('with decidedOnly, proves images whose rows all are positive and says nothing of others', async () => {
    const region = ballL2(centers, 0.6, { clip: [0, 1] });
    const rest = { specification: margins(labels), iterations: 20 };
    const all = await verifier.bounds(model, region, rest);
    const decided = await verifier.bounds(model, region, { ...rest, decidedOnly: true });
    const positive = centers.map((_, image) =>
      all.lower.subarray(image * 9, (image + 1) * 9).every((bound) => bound > 0),
    );
    expect(new Set(positive)).toEqual(new Set([true, false]));
    positive.forEach((proven, image) => {
      const expected = proven
        ? all.lower.slice(image * 9, (image + 1) * 9)
        : new Float64Array(9).fill(-Infinity);
      expect(decided.lower.slice(image * 9, (image + 1) * 9)).toEqual(expected);
    });
  });

  it('several at once give what each gives alone', async () => {
    const region = ballL2(centers, 0.3, { clip: [0, 1] });
    const box = ballLinf(centers, 0.01);
    const options = { specification: margins(labels) };
    const alone = [await verifier.bounds(model, region, options), await verifier.bounds(model, box, options)];
    const together = await Promise.all([
      verifier.bounds(model, region, options),
      verifier.bounds(model, box, options),
      verifier.attack(model, region, options),
      verifier.bounds(model, region, options),
    ]);
    expect(together[0].shape).toEqual([count, 9]);
    expect((together[0] as (typeof alone)[0]).lower).toEqual(alone[0].lower);
    expect((together[1] as (typeof alone)[0]).lower).toEqual(alone[1].lower);
    expect((together[3] as (typeof alone)[0]).lower).toEqual(alone[0].lower);
  });

  it('the lower bound, the attack and the upper bound are in order; so are their affine forms', async () => {
    const region = ballL2(centers, 0.4, { clip: [0, 1] });
    const options = { specification: margins(labels) };
    const bounds = await verifier.bounds(model, region, { ...options, upper: true, coefficients: true });
    const attack = await verifier.attack(model, region, options);
    const { slope, offset, upperSlope, upperOffset } = bounds;
    const at = (a: Float64Array, b: Float64Array, row: number, x: Float64Array): number =>
      x.reduce((sum, v, i) => sum + v * a[row * size + i], b[row]);
    for (let image = 0; image < count; image += 1) {
      const point = attack.point.subarray(image * size, (image + 1) * size);
      const y = evaluate(model.graph, point);
      let other = 0;
      for (let row = image * 9; row < (image + 1) * 9; row += 1, other += 1) {
        const rival = other < labels[image] ? other : other + 1;
        const value = y[labels[image]] - y[rival];
        expect(bounds.lower[row]).toBeLessThanOrEqual(attack.value[row] + 1e-6);
        expect(bounds.upper![row]).toBeGreaterThanOrEqual(attack.value[row] - 1e-6);
        expect(at(slope!, offset!, row, point)).toBeLessThanOrEqual(value + 1e-4);
        expect(at(upperSlope!, upperOffset!, row, point)).toBeGreaterThanOrEqual(value - 1e-4);
      }
    }
  });

  it('progress counts up to its total', async () => {
    const seen: number[][] = [];
    const region = ballL2(centers, 0.5);
    await verifier.bounds(model, region, { specification: outputs(), onProgress: (...at) => seen.push(at) });
    expect(seen.length).toBeGreaterThan(0);
    for (const [done, total] of seen) expect(done).toBeLessThanOrEqual(total);
  });
});

describe('stopping', () => {
  it('an abort ends native work within 100 ms, and the verifier goes on', async () => {
    const region = ballL2(centers, 0.5);
    const delays: number[] = [];
    for (let trial = 0; trial < 5; trial += 1) {
      const controller = new AbortController();
      const call = failure(verifier.bounds(model, region, { ...endless, signal: controller.signal }));
      await new Promise((resolve) => setTimeout(resolve, 30));
      const begin = performance.now();
      controller.abort();
      expect(await call).toBeInstanceOf(AbortError);
      delays.push(performance.now() - begin);
    }
    // The fastest of five, since the machine that runs the tests may be busy with others.
    expect(Math.min(...delays)).toBeLessThan(100);
    expect((await verifier.forward(model, centers[0])).data).toHaveLength(10);
  });

  it('a time limit returns what is proven by then', async () => {
    const begin = performance.now();
    const region = ballL2(centers, 0.5);
    const limited = await verifier.bounds(model, region, { ...endless, timeLimit: 0.1 });
    expect(performance.now() - begin).toBeLessThan(3000);
    expect(limited.timedOut.some(Boolean)).toBe(true);
    const { data } = await verifier.forward(model, centers);
    limited.lower.forEach((bound, row) => expect(bound).toBeLessThanOrEqual(data[row] + 1e-5));
  });

  it('close() ends a call under way', async () => {
    const closing = new Verifier({ threads: 1 });
    const call = failure(closing.bounds(model, ballL2(centers, 0.5), endless));
    await closing.close();
    expect(await call).toBeInstanceOf(ClosedError);
  });
});

describe('worker threads', () => {
  it('each has an engine of its own and finds the same bounds', async () => {
    const workerData = { model: path, centers, labels, eps: 0.3 };
    const results = await Promise.all(
      [0, 1].map(
        () =>
          new Promise<Float64Array>((resolve, reject) => {
            const worker = new Worker(new URL('support/bounds-worker.mjs', import.meta.url), { workerData });
            worker.on('message', resolve);
            worker.on('error', reject);
          }),
      ),
    );
    const { lower } = await verifier.bounds(model, ballL2(centers, 0.3), { specification: margins(labels) });
    for (const result of results) expect(result).toEqual(lower);
  });
});

describe('certified radius', () => {
  it.each([
    ['l1', 0.05],
    ['l2', 0.002],
    ['linf', 0.0005],
  ] as [Norm, number][])(
    '%s: proven at the radius, and no attack below it succeeds',
    async (norm, tolerance) => {
      const specification = margins(labels);
      const clip: [number, number] = [0, 1];
      const { lower: radii, upper } = await verifier.radius(model, centers, {
        norm,
        specification,
        tolerance,
        clip,
      });
      const region = ball(norm, centers, radii, { clip });
      const attack = await verifier.attack(model, region, { specification, steps: 60, restarts: 2 });
      radii.forEach((radius, image) => {
        expect(radius).toBeGreaterThan(tolerance);
        expect(radius).toBeLessThanOrEqual(upper[image]);
        expect(attack.margin[image]).toBeGreaterThan(0);
      });
      // Far outside, the attack does succeed: the radii are not small because everything is robust.
      const far = ball(
        norm,
        centers,
        radii.map((radius) => 20 * radius),
        { clip },
      );
      const { margin } = await verifier.attack(model, far, { specification });
      expect(margin.some((value) => value < 0)).toBe(true);
    },
  );
});
