import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { type LoadImagesOptions, loadImages, loadLabels } from '../src/data/index.js';
import { DataError, InvalidArgumentError, ShapeError } from '../src/errors.js';
import { bytesOf, cifar, idx, npy, npyFloat64, npyInt64, temporaryFolder } from './support/array-files.js';

const folder = temporaryFolder();
const shared = fileURLToPath(new URL('../../shared/data/', import.meta.url));

function counting(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

async function load(name: string, shape: number[], options: LoadImagesOptions) {
  const size = shape.reduce((product, extent) => product * extent, 1);
  return loadImages(await folder.write(name, npyFloat64(shape, counting(size))), options);
}

describe('loadImages', () => {
  it('takes nchw data as it is', async () => {
    const images = await load('nchw.npy', [2, 2, 2, 3], { inputShape: [2, 2, 3] });
    expect(images).toMatchObject({ count: 2, size: 12, start: 0, available: 2 });
    expect(Array.from(images.data)).toEqual(counting(24));
  });

  it('turns nhwc data into channels, rows, columns', async () => {
    const { data } = await load('nhwc.npy', [1, 2, 3, 2], { inputShape: [2, 2, 3], layout: 'nhwc' });
    expect(Array.from(data)).toEqual([0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11]);
  });

  it('does not guess: nhwc data without the layout is an error that suggests it', async () => {
    const error = await load('guess.npy', [1, 4, 5, 3], { inputShape: [3, 4, 5] }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(ShapeError);
    expect((error as Error).message).toMatch(
      /has shape \[1, 4, 5, 3\], the model takes \[3, 4, 5\].*--layout nhwc/,
    );
  });

  it('asks for the layout where a flat model could take either order', async () => {
    const ask = load('flat.npy', [1, 2, 2, 3], { inputShape: [12] });
    await expect(ask).rejects.toThrow(/say in which order to flatten, with layout nchw or nhwc/);
    const nchw = await load('flat.npy', [1, 2, 2, 3], { inputShape: [12], layout: 'nchw' });
    expect(Array.from(nchw.data)).toEqual(counting(12));
    const nhwc = await load('flat.npy', [1, 2, 2, 3], { inputShape: [12], layout: 'nhwc' });
    expect(Array.from(nhwc.data)).toEqual([0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11]);
  });

  it.each([
    [
      [2, 4, 4, 1],
      [1, 4, 4],
    ],
    [
      [2, 4, 4],
      [1, 4, 4],
    ],
    [
      [2, 16],
      [1, 4, 4],
    ],
    [[2, 1, 4, 4], [16]],
    [[2, 4, 4, 1], [16]],
  ])('one channel: %j fits %j without a layout', async (shape, inputShape) => {
    expect(Array.from((await load('one.npy', shape, { inputShape })).data)).toEqual(counting(32));
  });

  it('reads flat nhwc rows for a model of channels', async () => {
    const { data } = await load('row.npy', [1, 12], { inputShape: [3, 2, 2], layout: 'nhwc' });
    expect(Array.from(data)).toEqual([0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11]);
  });

  it.each([
    [[4], [4], undefined],
    [[2, 5], [4], undefined],
    [[1, 3, 4, 5], [3, 5, 4], undefined],
    [[1, 3, 4, 5], [4, 3, 5], 'nhwc'],
    [[1, 4, 3, 2, 1], [2, 4, 3], 'nhwc'],
  ] as const)('refuses %j for a model of %j', async (shape, inputShape, layout) => {
    await expect(load('misfit.npy', [...shape], { inputShape, layout })).rejects.toThrow(ShapeError);
  });

  it('divides uint8 by 255 and leaves floats alone', async () => {
    const bytes = await loadImages(
      await folder.write('u8-idx2-ubyte', idx(8, [2, 2], Uint8Array.of(0, 51, 255, 1))),
      {
        inputShape: [2],
      },
    );
    expect(Array.from(bytes.data)).toEqual([0, 0.2, 1, 1 / 255]);
    const floats = npy('<f4', [1, 2], bytesOf(Float32Array.of(-3.5, 200)));
    const images = await loadImages(await folder.write('f4.npy', floats), { inputShape: [2] });
    expect(Array.from(images.data)).toEqual([-3.5, 200]);
  });

  it('takes start and limit, with the labels inside a CIFAR file', async () => {
    const path = await folder.write(
      'c.bin',
      cifar([4, 5, 6, 7], (image) => image),
    );
    const images = await loadImages(path, { inputShape: [3, 32, 32], start: 1, limit: 2 });
    expect(images).toMatchObject({ count: 2, start: 1, available: 4 });
    expect(Array.from(images.labels ?? [])).toEqual([5, 6]);
    expect([images.data[0], images.data[3072]]).toEqual([1 / 255, 2 / 255]);
  });

  it('refuses NaN, other integers, and selections of nothing', async () => {
    const inputShape = [2];
    const nan = await folder.write('nan.npy', npyFloat64([2, 2], [0, 1, NaN, 3]));
    await expect(loadImages(nan, { inputShape })).rejects.toThrow(/image 1 has the value NaN at position 0/);
    const ints = await folder.write('ints.npy', npy('<i4', [1, 2], bytesOf(Int32Array.of(1, 2))));
    await expect(loadImages(ints, { inputShape })).rejects.toThrow(/holds int32, expected images as uint8/);
    for (const selection of [{ start: 2 }, { start: -1 }, { start: 0.5 }, { limit: 0 }, { limit: NaN }]) {
      await expect(load('sel.npy', [2, 2], { inputShape, ...selection })).rejects.toThrow(
        InvalidArgumentError,
      );
    }
    await expect(load('empty.npy', [0, 2], { inputShape })).rejects.toThrow(DataError);
  });
});

describe('loadLabels', () => {
  const classes = 10;

  it('reads npy, IDX, CIFAR, text and CSV', async () => {
    const files = [
      await folder.write('y.npy', npyInt64([1, 0, 9])),
      await folder.write('y-idx1-ubyte.gz', idx(8, [3], Uint8Array.of(1, 0, 9))),
      await folder.write(
        'y.bin',
        cifar([1, 0, 9], () => 0),
      ),
      await folder.write('y.txt', '1\n0\n9\n\n'),
      await folder.write('y.csv', '1\r\n0\r\n9'),
    ];
    for (const file of files) {
      const { labels, available } = await loadLabels(file, { classes });
      expect([available, ...labels]).toEqual([3, 1, 0, 9]);
      const part = await loadLabels(file, { classes, start: 1, limit: 1 });
      expect([part.available, ...part.labels]).toEqual([3, 0]);
    }
  });

  it('refuses what is no class, naming the place', async () => {
    const bad = async (name: string, bytes: Uint8Array | string): Promise<unknown> =>
      loadLabels(await folder.write(name, bytes), { classes }).catch((error: unknown) => error);
    for (const [name, bytes, message] of [
      ['high.npy', npyInt64([1, 10]), /label 10 of image 1, expected 0 to 9/],
      ['low.npy', npyInt64([-1]), /label -1 of image 0/],
      ['float.npy', npyFloat64([1], [1]), /holds float64, expected integer labels/],
      ['hot.npy', npy('|u1', [1, 2], Uint8Array.of(0, 1)), /shape \[1, 2\], expected one label per image/],
      ['word.txt', '1\nseven\n', /line 2: 'seven', expected one integer label a line/],
      ['binary.txt', Uint8Array.of(1, 0, 2), /is not text/],
    ] as const) {
      const error = await bad(name, bytes);
      expect(error).toBeInstanceOf(DataError);
      expect((error as Error).message).toMatch(message);
    }
  });
});

describe.skipIf(!existsSync(shared))('shared data (skipped without ../shared)', () => {
  async function place(set: 'mnist' | 'cifar', entry: number): Promise<number> {
    const indices = JSON.parse(await readFile(`${shared}sdp-crown/sdp_test_indices.json`, 'utf8')) as Record<
      string,
      { test_index: number[] }
    >;
    return indices[set].test_index[entry];
  }

  it('MNIST: the selection is where its index says in the IDX test images', async () => {
    const inputShape = [1, 28, 28];
    const start = await place('mnist', 3);
    const selection = await loadImages(`${shared}sdp-crown/mnist/X_sdp.npy`, {
      inputShape,
      start: 3,
      limit: 1,
    });
    const original = await loadImages(`${shared}mnist/t10k-images-idx3-ubyte.gz`, {
      inputShape,
      start,
      limit: 1,
    });
    expect(original.available).toBe(10000);
    const largest = Math.max(...selection.data.map((pixel, i) => Math.abs(pixel - original.data[i])));
    expect(largest).toBeLessThan(1e-6);
    expect(Math.max(...original.data)).toBeGreaterThan(0.5);
    const y = await loadLabels(`${shared}sdp-crown/mnist/y_sdp.npy`, { classes: 10, start: 3, limit: 1 });
    const all = await loadLabels(`${shared}mnist/t10k-labels-idx1-ubyte.gz`, {
      classes: 10,
      start,
      limit: 1,
    });
    expect(all.labels).toEqual(y.labels);
  });

  it('CIFAR-10: the nhwc selection is where its index says in the binary batch', async () => {
    const inputShape = [3, 32, 32];
    const path = `${shared}sdp-crown/cifar/X_sdp.npy`;
    await expect(loadImages(path, { inputShape, limit: 1 })).rejects.toThrow(/--layout nhwc/);
    const start = await place('cifar', 3);
    const selection = await loadImages(path, { inputShape, start: 3, limit: 1, layout: 'nhwc' });
    const original = await loadImages(`${shared}cifar10/test_batch.bin.gz`, { inputShape, start, limit: 1 });
    const largest = Math.max(...selection.data.map((pixel, i) => Math.abs(pixel - original.data[i])));
    expect(largest).toBeLessThan(1e-6);
    expect(Math.max(...original.data)).toBeGreaterThan(0.5);
    const y = await loadLabels(`${shared}sdp-crown/cifar/y_sdp.npy`, { classes: 10, start: 3, limit: 1 });
    expect(original.labels).toEqual(y.labels);
  });
});
