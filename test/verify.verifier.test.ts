import { describe, expect, it } from 'vitest';
import {
  AbortError,
  ClosedError,
  DeviceError,
  InvalidArgumentError,
  NativeError,
  ShapeError,
  Verifier,
  ballL2,
  ballLinf,
  margins,
  outputs,
  rows,
} from '../src/index.js';
import { type FakeCall, type FakeHooks, fakeBinding, identityModel } from './support/fake-native.js';
import { failure } from './support/failure.js';

function verifier(hooks: FakeHooks = {}, threads = 1): Verifier {
  return new Verifier({ threads }, fakeBinding(hooks));
}

describe('Verifier', () => {
  it('forward and predict', async () => {
    const model = await identityModel();
    const subject = verifier();
    const { shape, data } = await subject.forward(model, [
      [1, 2],
      [4, 3],
      [5, 5],
    ]);
    expect([shape, Array.from(data)]).toEqual([
      [3, 2],
      [1, 2, 4, 3, 5, 5],
    ]);
    expect(
      Array.from(
        await subject.predict(model, [
          [1, 2],
          [4, 3],
          [5, 5],
        ]),
      ),
    ).toEqual([1, 0, 0]);
    await subject.close();
  });

  it('upper bounds are minus the lower bounds of the negated rows', async () => {
    const model = await identityModel();
    const subject = verifier();
    const region = ballL2(
      [
        [2, 1],
        [0, 0],
      ],
      [0.5, 0],
    );
    const options = {
      specification: rows(
        [
          [1, -1],
          [1, 0],
          [0, 1],
        ],
        [0, 10, 0],
      ),
      coefficients: true,
    };
    const lowerOnly = await subject.bounds(model, region, options);
    const both = await subject.bounds(model, region, { ...options, upper: true });
    expect(both.shape).toEqual([2, 3]);
    expect(both.lower).toEqual(lowerOnly.lower);
    // The fake's bounds are value -+ factor * fall, so the middle is the value at the centre.
    const middle = both.lower.map((low, i) => (low + (both.upper?.[i] ?? NaN)) / 2);
    expect(Array.from(middle, (x) => Math.round(x * 1e9) / 1e9)).toEqual([1, 12, 1, 0, 10, 0]);
    expect(Array.from(both.lower.slice(3))).toEqual([0, 10, 0]);
    expect(both.upperOffset).toEqual(both.upper);
    expect([both.slope?.length, both.upperSlope?.length, both.iterations.length]).toEqual([12, 12, 6]);
    await subject.close();
  });

  it('passes documented defaults and keeps one network per model', async () => {
    const calls: FakeCall[] = [];
    const subject = verifier({ calls });
    const model = await identityModel();
    const region = ballL2([0, 1], 0.1);
    await subject.bounds(model, region, { specification: margins(1) });
    await subject.bounds(model, region, { specification: margins(1), method: 'alpha-crown' });
    await subject.bounds(model, region, { specification: margins(1), method: 'crown', stopWhenProven: true });
    await subject.bounds(model, ballLinf([0, 1], 0.1), { specification: margins(1) });
    expect(calls.filter(({ kind }) => kind === 'network')).toHaveLength(1);
    const [joint, alpha, crown, linf] = calls
      .filter(({ kind }) => kind === 'bounds')
      .map(({ options }) => options);
    expect(joint).toMatchObject({
      method: 'joint',
      boxes: 'cheap',
      iterations: 150,
      boxIterations: 20,
      learningRate: 0.1,
      decay: 0.985,
      stopWhenProven: false,
      timeLimit: 0,
      coefficients: false,
    });
    expect([alpha.boxes, crown.boxes, linf.boxes]).toEqual(['optimised', 'crown', 'crown']);
    expect(crown.stopWhenProven).toBe(true);
    await subject.close();
  });

  it('refuses what does not fit', async () => {
    const model = await identityModel();
    const subject = verifier();
    const specification = outputs();
    await expect(subject.forward(model, [1, 2, 3])).rejects.toThrow(ShapeError);
    await expect(subject.bounds(model, ballL2([1], 1), { specification })).rejects.toThrow(
      /takes \[2\] \(2 numbers\)/,
    );
    const region = ballL2([1, 2], 1);
    for (const wrong of [
      { iterations: -1 },
      { iterations: 1.5 },
      { learningRate: 0 },
      { decay: NaN },
      { timeLimit: -1 },
      { method: 'magic' as 'joint' },
      { boxes: 'none' as 'cheap' },
    ]) {
      await expect(subject.bounds(model, region, { specification, ...wrong })).rejects.toThrow(
        InvalidArgumentError,
      );
    }
    await expect(subject.attack(model, region, { specification, steps: -1 })).rejects.toThrow(/steps is -1/);
    await subject.close();
    expect(() => new Verifier({ threads: 0 }, fakeBinding())).toThrow(InvalidArgumentError);
    expect(() => new Verifier({ device: 'tpu' as 'cpu' }, fakeBinding())).toThrow(
      /'tpu', expected one of cpu, cuda, auto/,
    );
  });

  it('device', () => {
    expect(() => new Verifier({ device: 'cuda' }, fakeBinding())).toThrow(DeviceError);
    expect(new Verifier({ device: 'auto' }, fakeBinding()).device).toBe('cpu');
    const devices = [
      { kind: 'cpu' as const, name: 'c' },
      { kind: 'cuda' as const, name: 'g' },
    ];
    expect(new Verifier({ device: 'auto' }, fakeBinding({ devices })).device).toBe('cuda');
    expect(new Verifier({}, fakeBinding({ devices })).device).toBe('cpu');
  });

  it('an abort signal rejects with AbortError, before and during a call', async () => {
    const model = await identityModel();
    const subject = verifier({ delay: 2000 });
    const early = AbortSignal.abort('why');
    const error = await failure(subject.forward(model, [1, 2], { signal: early }));
    expect(error).toBeInstanceOf(AbortError);
    expect(error).toMatchObject({ name: 'AbortError', code: 'ERR_ABORTED', cause: 'why' });
    const controller = new AbortController();
    const begin = performance.now();
    const call = failure(
      subject.bounds(model, ballL2([1, 2], 1), { specification: outputs(), signal: controller.signal }),
    );
    setTimeout(() => controller.abort(), 20);
    expect(await call).toBeInstanceOf(AbortError);
    expect(performance.now() - begin).toBeLessThan(1000);
    await subject.close();
  });

  it('close() stops what runs and refuses what comes', async () => {
    const model = await identityModel();
    const subject = verifier({ delay: 2000 });
    const running = failure(subject.forward(model, [1, 2]));
    const closing = subject.close();
    expect(await running).toBeInstanceOf(ClosedError);
    await closing;
    await subject.close();
    for (const call of [
      subject.forward(model, [1, 2]),
      subject.norms(model),
      subject.predict(model, [1, 2]),
    ]) {
      expect(await failure(call)).toMatchObject({ name: 'ClosedError', code: 'ERR_CLOSED' });
    }
  });

  it('native failures keep their kind by code', async () => {
    const model = await identityModel();
    const coded = verifier({
      fail: () => {
        throw Object.assign(new Error('no such method here'), { code: 'ERR_INVALID_ARGUMENT' });
      },
    });
    expect(await failure(coded.forward(model, [1, 2]))).toBeInstanceOf(InvalidArgumentError);
    const plain = verifier({
      fail: () => {
        throw new Error('out of memory');
      },
    });
    const error = await failure(plain.forward(model, [1, 2]));
    expect(error).toBeInstanceOf(NativeError);
    expect((error as NativeError).message).toBe('out of memory');
    await Promise.all([coded.close(), plain.close()]);
  });

  it('reports progress, attacks and norms; several calls at once', async () => {
    const model = await identityModel();
    const subject = verifier({ delay: 5 }, 2);
    const seen: number[][] = [];
    const [attack, norms] = await Promise.all([
      subject.attack(
        model,
        ballL2(
          [
            [3, 1],
            [0, 0],
          ],
          0.1,
        ),
        {
          specification: margins([0, 1]),
          onProgress: (done, total) => seen.push([done, total]),
        },
      ),
      subject.norms(model),
    ]);
    expect(attack.shape).toEqual([2, 1]);
    expect(attack.margin[0]).toBeGreaterThan(1.9);
    expect(seen).toEqual([[1, 1]]);
    expect(norms).toEqual([{ name: 'Gemm_y', inputSize: 2, outputSize: 2, norm: Math.SQRT2 }]);
    await subject.close();
  });
});

describe('certified radius', () => {
  it('bisects to the tolerance, image by image', async () => {
    const model = await identityModel();
    const subject = verifier();
    // The fake proves while margin - 0.2 * sqrt(2) * sqrt(2) * eps > 0: radius margin / 0.4.
    const radii = await subject.radius(
      model,
      [
        [1, 0],
        [0, 0.04],
        [0, 1],
        [7, 0],
      ],
      {
        norm: 'l2',
        specification: margins([0, 1, 0, 0]),
        tolerance: 1e-4,
      },
    );
    const expected = [2.5, 0.1, 0, 17.5];
    radii.lower.forEach((radius, image) => {
      expect(radius).toBeLessThanOrEqual(expected[image]);
      expect(radius).toBeGreaterThanOrEqual(expected[image] - 1e-4);
    });
    expect(radii.upper[2]).toBe(0);
    expect(radii.evaluations[2]).toBe(0);
    await subject.close();
  });

  it('stops at max, and stops when it is no longer possible to halve', async () => {
    const model = await identityModel();
    const subject = verifier();
    const specification = margins(0);
    const capped = await subject.radius(model, [1, 0], { norm: 'l2', specification, max: 0.75 });
    expect(Array.from(capped.lower)).toEqual([0.75]);
    const between = await subject.radius(model, [1, 0], {
      norm: 'l2',
      specification,
      max: 2.6,
      tolerance: 1e-3,
    });
    expect(between.lower[0]).toBeGreaterThan(2.499);
    const tiny = await subject.radius(model, [1, 0], {
      norm: 'l2',
      specification,
      tolerance: 1e-18,
      method: 'lip',
    });
    expect(tiny.lower[0]).toBeCloseTo(0.5, 12);
    await subject.close();
  });
});
