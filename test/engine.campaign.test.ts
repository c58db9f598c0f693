/** The published networks, end to end, with the real engine: verdict counts and per-image margins. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type CertifyRecord,
  type LabelledImages,
  type Model,
  Verifier,
  ballL2,
  certify,
  loadImages,
  loadLabels,
  loadModel,
  margins,
} from '../src/index.js';
import { listDevices } from '../src/verify/verifier.js';

const shared = fileURLToPath(new URL('../../shared/', import.meta.url));
const folder = `${shared}data/sdp-crown`;

interface Published {
  name: string;
  set: 'mnist' | 'cifar';
  eps: number;
  clip?: [number, number];
  /** At least so many of 200 are verified, and at most so many are not falsified. */
  verified: number;
  unfalsified: number;
}

const networks: Published[] = [
  { name: 'mnist_mlp', set: 'mnist', eps: 1, clip: [0, 1], verified: 94, unfalsified: 108 },
  { name: 'mnist_convsmall', set: 'mnist', eps: 0.3, clip: [0, 1], verified: 168, unfalsified: 169 },
  { name: 'cifar10_cnn_c', set: 'cifar', eps: 24 / 255, verified: 88, unfalsified: 94 },
  { name: 'cifar10_convsmall', set: 'cifar', eps: 24 / 255, verified: 94, unfalsified: 105 },
];

async function open({ name, set }: Published): Promise<{ model: Model; data: LabelledImages }> {
  const raw = await loadModel(`${folder}/models/${name}.onnx`);
  // The CIFAR-10 networks take standardised pixels; the radius stays in pixel units.
  const mean = [125.3 / 255, 123 / 255, 113.9 / 255];
  const model = set === 'cifar' ? raw.withNormalization({ mean, std: 0.225 }) : raw;
  const images = await loadImages(`${folder}/${set}/X_sdp.npy`, {
    inputShape: model.inputShape,
    layout: 'nhwc',
  });
  const { labels } = await loadLabels(`${folder}/${set}/y_sdp.npy`, { classes: 10 });
  return { model, data: { images, labels } };
}

async function reference<T>(file: string, name: string): Promise<Record<string, T>> {
  const all = JSON.parse(await readFile(`${shared}reference/${file}`, 'utf8')) as Record<
    string,
    Record<string, T>
  >;
  return all[name];
}

describe.skipIf(!existsSync(folder))('published networks (skipped without ../shared)', () => {
  let verifier: Verifier;
  beforeAll(() => {
    verifier = new Verifier();
  });
  afterAll(() => verifier.close());

  it.each(networks)('$name', async (published) => {
    const { model, data } = await open(published);
    const records: CertifyRecord[] = [];
    const { eps, clip, name } = published;
    const summary = await certify(verifier, model, data, {
      norm: 'l2',
      eps,
      ...(clip ? { clip } : {}),
      onRecord: (record) => records.push(record),
    });
    expect(summary).toMatchObject({ total: 200, timeouts: 0, errors: 0 });
    expect(summary.verified).toBeGreaterThanOrEqual(published.verified);
    expect(summary.verified + summary.unknown).toBeLessThanOrEqual(published.unfalsified);

    // No certified margin may lie above what any attack reached: theirs (rounded to 5 digits) or ours.
    const reached = await reference<number>('pgd-margins.json', name);
    const prototype = await reference<number[]>('joint-prototype-margins.json', name);
    const compared = records.filter(({ index, lower }) => lower !== null && String(index) in reached);
    expect(compared.length).toBeGreaterThan(40);
    for (const { index, lower, attackMargin } of compared) {
      const least = Math.min(...(lower ?? []).map((bound) => bound ?? -Infinity));
      expect(least).toBeLessThanOrEqual(reached[index] + 1e-5);
      expect(least).toBeLessThanOrEqual(attackMargin ?? Infinity);
      // A row stops once it is proven, so only the sign can be compared with the prototype's figures.
      expect(least > 0 || Math.min(...prototype[index]) < 0.02).toBe(true);
    }
  });

  it('sdp-crown on the MNIST MLP', async () => {
    const { model, data } = await open(networks[0]);
    const summary = await certify(verifier, model, data, {
      norm: 'l2',
      eps: 1,
      clip: [0, 1],
      method: 'sdp-crown',
    });
    expect(summary.verified).toBeGreaterThanOrEqual(65);
  });

  it('the images settled and their records do not depend on threads or chunks in flight', async () => {
    const { model, data } = await open(networks[0]);
    const run = async (threads: number): Promise<unknown[]> => {
      const engine = new Verifier({ threads });
      const records: unknown[] = [];
      await certify(engine, model, data, {
        norm: 'linf',
        eps: 0.02,
        clip: [0, 1],
        onRecord: ({ seconds: _seconds, ...record }) => records.push(record),
      });
      await engine.close();
      return records;
    };
    expect(await run(2)).toEqual(await run(1));
  });

  const gpu = listDevices().devices.some(({ kind }) => kind === 'cuda');
  describe.skipIf(!gpu)('on a GPU (skipped without one)', () => {
    it.each(networks)('$name', async (published) => {
      const { model, data } = await open(published);
      const { eps } = published;
      const clip = published.clip ? { clip: published.clip } : {};
      const engine = new Verifier({ device: 'cuda' });
      const run = async (on: Verifier): Promise<CertifyRecord[]> => {
        const records: CertifyRecord[] = [];
        await certify(on, model, data, {
          norm: 'l2',
          eps,
          ...clip,
          onRecord: (record) => records.push(record),
        });
        return records;
      };
      const here = await run(verifier);
      const there = await run(engine);
      const verified = (records: CertifyRecord[]): number =>
        records.filter(({ verdict }) => verdict === 'verified').length;
      expect(Math.abs(verified(there) - verified(here))).toBeLessThanOrEqual(1);
      there.forEach(({ verdict }, i) =>
        expect([verdict, here[i].verdict].sort()).not.toEqual(['falsified', 'verified']),
      );

      // A float32 bound is the float64 value of its own multipliers, but for rounding.
      const count = 16;
      const { size } = data.images;
      const centers = Array.from({ length: count }, (_, i) =>
        data.images.data.subarray(i * size, (i + 1) * size),
      );
      const [believed, proven] = await Promise.all(
        (['none', 'real'] as const).map((assurance) =>
          engine.bounds(model, ballL2(centers, eps, clip), {
            specification: margins(data.labels.subarray(0, count)),
            iterations: 60,
            assurance,
          }),
        ),
      );
      await engine.close();
      const lost = Array.from(believed.lower, (lower, row) => lower - proven.lower[row]);
      expect(Math.min(...lost)).toBeGreaterThanOrEqual(0);
      expect(Math.max(...lost)).toBeLessThan(1e-3);
    });
  });
});
