/** Certified margins of published networks, image by image, against the prototype's and an attack's. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Verifier, ballL2, loadImages, loadLabels, loadModel, margins } from '../src/index.js';

const shared = fileURLToPath(new URL('../../shared/', import.meta.url));
const folder = `${shared}data/sdp-crown`;
const imagesEach = 8;

const networks = [
  { name: 'mnist_mlp', set: 'mnist', eps: 1 },
  { name: 'mnist_convsmall', set: 'mnist', eps: 0.3 },
  { name: 'cifar10_cnn_c', set: 'cifar', eps: 24 / 255 },
  { name: 'cifar10_convsmall', set: 'cifar', eps: 24 / 255 },
];

async function reference<T>(file: string): Promise<Record<string, T>> {
  return JSON.parse(await readFile(`${shared}reference/${file}`, 'utf8')) as Record<string, T>;
}

describe.skipIf(!existsSync(folder))('certified margins (skipped without ../shared)', () => {
  let verifier: Verifier;
  beforeAll(() => {
    verifier = new Verifier();
  });
  afterAll(() => verifier.close());

  it.each(networks)('$name', async ({ name, set, eps }) => {
    const raw = await loadModel(`${folder}/models/${name}.onnx`);
    const mean = [0.4913725, 0.4823529, 0.4466667];
    const model = set === 'cifar' ? raw.withNormalization({ mean, std: 0.225 }) : raw;
    const all = await loadImages(`${folder}/${set}/X_sdp.npy`, {
      inputShape: model.inputShape,
      layout: 'nhwc',
    });
    const { labels } = await loadLabels(`${folder}/${set}/y_sdp.npy`, { classes: 10 });
    const prototype = (await reference<Record<string, number[]>>('joint-prototype-margins.json'))[name];
    const attacked = (await reference<Record<string, number>>('pgd-margins.json'))[name];

    // The closest calls: a loose bound shows there first.
    const indices = Object.keys(prototype)
      .map(Number)
      .sort((a, b) => Math.abs(Math.min(...prototype[a])) - Math.abs(Math.min(...prototype[b])))
      .slice(0, imagesEach);
    const clip = set === 'mnist' ? { clip: [0, 1] as const } : {};
    const centers = indices.map((index) => all.data.subarray(index * all.size, (index + 1) * all.size));
    const region = ballL2(centers, eps, clip);
    const { lower } = await verifier.bounds(model, region, {
      specification: margins(indices.map((index) => labels[index])),
    });
    const gains: number[] = [];
    indices.forEach((index, i) => {
      const own = lower.subarray(9 * i, 9 * i + 9);
      // The reference attack's figure has five digits.
      expect(Math.min(...own)).toBeLessThanOrEqual(attacked[index] + 1e-4);
      own.forEach((margin, row) => gains.push(margin - prototype[index][row]));
    });
    gains.sort((a, b) => a - b);
    const at = (share: number): string => gains[Math.round(share * (gains.length - 1))].toFixed(4);
    console.log(
      `${name}: certified minus prototype margin over ${gains.length} rows: least ${at(0)}, ` +
        `quartiles ${at(0.25)} ${at(0.5)} ${at(0.75)}, most ${at(1)}`,
    );
    expect(gains[0]).toBeGreaterThan(-0.02);
  });
});
