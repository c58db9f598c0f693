/** The published networks and the VNN-COMP 2022 families load and agree with onnxruntime. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { loadModel } from '../src/model/index.js';
import { disagreement, noise, random, referenceOutputs } from './support/onnxruntime.js';

const shared = new URL('../../shared/data/', import.meta.url).pathname;
const present = existsSync(shared);
if (!present) console.warn('../shared/data is absent: the tests on published networks are skipped');

const published = [
  { file: 'mnist_mlp', data: 'mnist', shape: [1, 28, 28], parameters: 89_610 },
  { file: 'mnist_convsmall', data: 'mnist', shape: [1, 28, 28], parameters: 166_406 },
  { file: 'cifar10_cnn_c', data: 'cifar', shape: [3, 32, 32], parameters: 85_218 },
  { file: 'cifar10_convsmall', data: 'cifar', shape: [3, 32, 32], parameters: 125_318 },
];

describe.skipIf(!present)('published networks', () => {
  it.each(published)(
    '$file agrees on noise and on test images',
    async ({ file, data, shape, parameters }) => {
      const path = `${shared}sdp-crown/models/${file}.onnx`;
      const model = await loadModel(path);
      expect(model.inputShape).toEqual(shape);
      expect(model.outputSize).toBe(10);
      expect(model.parameterCount).toBe(parameters);
      expect(model.source).toBe(path);
      const next = random(5);
      const images = [
        ...Array.from({ length: 3 }, () => Array.from({ length: model.inputSize }, next)),
        ...testImages(data, shape, 5),
      ];
      const expected = await referenceOutputs(readFileSync(path), images, [images.length, ...shape]);
      expect(disagreement(model, images, expected)).toBeUndefined();
    },
  );
});

const families = `${shared}vnncomp/2022/`;
const competition = present
  ? readdirSync(families, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.onnx.gz'))
  : [];

/** What onnxruntime must be fed; the other families take `[1, n]`, or `[1]` for one number. */
const inputs: Record<string, readonly number[]> = {
  'mnist_fc/': [1, 784, 1],
  'acasxu/': [1, 1, 1, 5],
  'test/test_sat': [1, 1, 1, 5],
  'test/test_unsat': [1, 1, 1, 5],
};

describe.skipIf(!present)('VNN-COMP networks', () => {
  it.each(competition)('%s agrees', async (path) => {
    const model = await loadModel(families + path);
    const bytes = gunzipSync(readFileSync(families + path));
    const listed = Object.keys(inputs).find((start) => path.startsWith(start));
    const dims = listed ? inputs[listed] : model.inputSize === 1 ? [1] : [1, model.inputSize];
    for (const seed of [1, 2, 3]) {
      const image = noise(seed, model.inputSize);
      const expected = await referenceOutputs(bytes, [image], dims);
      expect(disagreement(model, [image], expected)).toBeUndefined();
    }
  });

  it('are there', () => {
    expect(competition.length).toBeGreaterThan(50);
  });
});

/** The first images of an NHWC float32 .npy file, as NCHW features. */
function testImages(
  name: string,
  [channels, height, width]: readonly number[],
  count: number,
): Float32Array[] {
  const bytes = readFileSync(`${shared}sdp-crown/${name}/X_sdp.npy`);
  const size = channels * height * width;
  const start = 10 + bytes.readUInt16LE(8);
  const feature = (image: number, i: number) => {
    const c = Math.floor(i / (height * width));
    const place = (i % (height * width)) * channels + c;
    return bytes.readFloatLE(start + 4 * (image * size + place));
  };
  return Array.from({ length: count }, (_, image) =>
    new Float32Array(size).map((_value, i) => feature(image, i)),
  );
}
