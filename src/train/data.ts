/** Data sets to train on: images in memory as float32, batches in random order. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Numbers, Tape, Tensor } from '../autodiff/index.js';
import { loadImages, loadLabels } from '../data/index.js';
import { DataError, InvalidArgumentError } from '../errors.js';
import { derivedSeed, permutation } from './seeds.js';

/** `count` images, `[count * size]` numbers in the units of the data. */
export interface LabelledData {
  /** Of one image: `[channels, height, width]`, or `[n]` where it is no picture. */
  readonly shape: readonly number[];
  readonly size: number;
  readonly count: number;
  readonly images: Float32Array;
  readonly labels: Int32Array;
}

export interface DataSet {
  readonly training: LabelledData;
  /** What the data set calls its test images, where it has some. */
  readonly test?: LabelledData;
}

const mnistShape = [1, 28, 28];

/** A file of a data set, gzipped or not. */
function find(folder: string, name: string): string {
  const path = [join(folder, name), join(folder, `${name}.gz`)].find((candidate) => existsSync(candidate));
  if (path === undefined) throw new DataError(`${folder}: expected ${name} or ${name}.gz there`);
  return path;
}

/**
 * Loads MNIST from a folder with its four IDX files, gzipped or not.
 *
 * @throws DataError naming a file that is missing or broken.
 */
export async function loadMnist(folder: string): Promise<DataSet> {
  const load = (part: string): Promise<LabelledData> => {
    const [images, labels] = ['images-idx3', 'labels-idx1'].map((kind) =>
      find(folder, `${part}-${kind}-ubyte`),
    );
    return loadLabelled(images, labels, mnistShape, 10);
  };
  return { training: await load('train'), test: await load('t10k') };
}

const cifarShape = [3, 32, 32];

/** The binary version of CIFAR-10 keeps its training images in five files. */
export const cifarBatches: readonly string[] = [1, 2, 3, 4, 5].map((batch) => `data_batch_${batch}.bin`);

/**
 * Loads CIFAR-10 from a folder with its binary version, `data_batch_1.bin` to `data_batch_5.bin` and
 * `test_batch.bin`, each gzipped or not. Pixels in [0, 1], `[3, 32, 32]`.
 *
 * @throws DataError naming a file that is missing or is not whole records of CIFAR-10.
 */
export async function loadCifar10(folder: string): Promise<DataSet> {
  // All files are looked for before the first is read.
  const paths = [...cifarBatches, 'test_batch.bin'].map((name) => find(folder, name));
  const load = (path: string): Promise<LabelledData> => loadLabelled(path, undefined, cifarShape, 10);
  const test = await load(paths[paths.length - 1]);
  const batches: LabelledData[] = [];
  for (const path of paths.slice(0, -1)) batches.push(await load(path));
  return { training: joined(batches), test };
}

/** Data sets of one shape behind each other. */
function joined(parts: readonly LabelledData[]): LabelledData {
  const count = parts.reduce((sum, part) => sum + part.count, 0);
  const [{ shape, size }] = parts;
  const images = new Float32Array(count * size);
  const labels = new Int32Array(count);
  let at = 0;
  for (const part of parts) {
    images.set(part.images, at * size);
    labels.set(part.labels, at);
    at += part.count;
  }
  return { shape, size, count, images, labels };
}

/** Images and labels of any array files that `bulwark certify` reads, for images of the given shape. */
export async function loadLabelled(
  images: string,
  labels: string | undefined,
  shape: readonly number[],
  classes: number,
): Promise<LabelledData> {
  const loaded = await loadImages(images, { inputShape: shape });
  const known = labels === undefined ? loaded.labels : (await loadLabels(labels, { classes })).labels;
  if (known === undefined) throw new InvalidArgumentError(`${images} carries no labels: name their file`);
  if (known.length !== loaded.count) {
    throw new DataError(`${labels} has ${known.length} labels, ${images} has ${loaded.count} images`);
  }
  return {
    shape,
    size: loaded.size,
    count: loaded.count,
    images: new Float32Array(loaded.data),
    labels: known,
  };
}

/** Images [start, end) of a data set, sharing its memory. */
export function slice(data: LabelledData, start: number, end: number): LabelledData {
  return {
    ...data,
    count: end - start,
    images: data.images.subarray(start * data.size, end * data.size),
    labels: data.labels.subarray(start, end),
  };
}

/** The last `count` images as a validation set, and what comes before them. */
export function split(
  data: LabelledData,
  count: number,
): { training: LabelledData; validation: LabelledData } {
  if (!Number.isInteger(count) || count < 0 || count >= data.count) {
    throw new InvalidArgumentError(
      `validation: ${count} of ${data.count} images, expected 0 to ${data.count - 1}`,
    );
  }
  const border = data.count - count;
  return { training: slice(data, 0, border), validation: slice(data, border, data.count) };
}

export interface BatchOptions {
  readonly batch: number;
  readonly seed: number;
  /** Moves each image by up to so many pixels along each axis; zeros come in. */
  readonly shift: number;
}

/** Draws the batches of an epoch: every image once, in an order that depends on seed and epoch. */
export class Batches {
  readonly count: number;
  readonly #data: LabelledData;
  readonly #options: BatchOptions;
  readonly #epoch: number;
  readonly #order: Int32Array;

  constructor(data: LabelledData, options: BatchOptions, epoch: number) {
    this.#data = data;
    this.#options = options;
    this.#epoch = epoch;
    this.#order = permutation(data.count, derivedSeed(options.seed, 0x0bde, epoch));
    this.count = Math.ceil(data.count / options.batch);
  }

  /** Batch `index` in tape memory: images `[rows, size]` and their labels. */
  draw(tape: Tape, index: number): { images: Tensor; labels: Int32Array } {
    const { batch, shift } = this.#options;
    const { size, images, labels } = this.#data;
    const chosen = this.#order.subarray(index * batch, (index + 1) * batch);
    const moves = shift > 0 ? this.#moves(index, chosen.length) : undefined;
    const drawn = tape.written([chosen.length, size], (numbers) =>
      chosen.forEach((image, row) => {
        const from = images.subarray(image * size, (image + 1) * size);
        const to = numbers.subarray(row * size, (row + 1) * size);
        if (moves === undefined) to.set(from);
        else move(from, to, this.#data.shape, moves[2 * row], moves[2 * row + 1]);
      }),
    );
    return { images: drawn, labels: Int32Array.from(chosen, (image) => labels[image]) };
  }

  #moves(index: number, rows: number): Int32Array {
    const { shift, seed } = this.#options;
    const base = derivedSeed(seed, 0x5417, this.#epoch, index);
    return Int32Array.from({ length: 2 * rows }, (_, i) => (derivedSeed(base, i) % (2 * shift + 1)) - shift);
  }
}

/** Copies `[channels, height, width]` moved by dy rows and dx columns, zeros where nothing comes from. */
function move(from: Float32Array, to: Numbers, shape: readonly number[], dy: number, dx: number): void {
  const [channels, height, width] = shape;
  to.fill(0);
  const begin = Math.max(0, -dx);
  const end = Math.min(width, width - dx);
  for (let row = 0; row < channels * height; row++) {
    const y = (row % height) + dy;
    if (y < 0 || y >= height) continue;
    to.set(from.subarray(row * width + begin, row * width + end), (row + dy) * width + begin + dx);
  }
}
