import { DataError } from '../errors.js';
import { formatShape } from '../tensor.js';
import { hex, readBytes } from './bytes.js';
import { type Selection, select } from './images.js';
import { readArray } from './read-array.js';

export interface LoadLabelsOptions extends Selection {
  /** Number of classes; labels run from 0 to classes - 1. */
  classes: number;
}

/**
 * Loads class labels: integers from a .npy, .npz, IDX or CIFAR-10 binary file, or a text or CSV file
 * with one label a line.
 *
 * @returns `[count]` labels of the selected entries, and how many the file has.
 * @throws DataError if the file is broken, holds something else than integers, or a label is out of range.
 * @throws InvalidArgumentError if start or limit select nothing.
 */
export async function loadLabels(
  path: string,
  options: LoadLabelsOptions,
): Promise<{ labels: Int32Array; available: number }> {
  const all = /\.(txt|csv)(\.gz)?$/.test(path) ? await readText(path) : await readIntegers(path);
  const { start, count } = select(all.length, options, path);
  return {
    labels: checkLabels(all.slice(start, start + count), options.classes, path, start),
    available: all.length,
  };
}

/** Checks that every label is a class of the model. */
export function checkLabels(
  labels: ArrayLike<number>,
  classes: number,
  where: string,
  start = 0,
): Int32Array {
  return Int32Array.from(labels, (label, index) => {
    if (Number.isInteger(label) && label >= 0 && label < classes) return label;
    throw new DataError(
      `${where}: label ${label} of image ${start + index}, expected 0 to ${classes - 1} (the model has ${classes} outputs)`,
    );
  });
}

async function readIntegers(path: string): Promise<number[]> {
  const { data, dtype, shape, labels } = await readArray(path);
  if (labels) return Array.from(labels);
  if (dtype.startsWith('float')) throw new DataError(`${path} holds ${dtype}, expected integer labels`);
  if (data.length !== shape[0]) {
    throw new DataError(`${path} has shape ${formatShape(shape)}, expected one label per image, [n]`);
  }
  return Array.from(data, Number);
}

async function readText(path: string): Promise<number[]> {
  const bytes = await readBytes(path);
  if (bytes.includes(0)) throw new DataError(`${path} is not text: it starts with ${hex(bytes, 4)}`);
  const lines = bytes.toString('utf8').split(/\r?\n/);
  while (lines.at(-1)?.trim() === '') lines.pop();
  return lines.map((line, index) => {
    const text = line.trim();
    if (/^\d+$/.test(text)) return Number(text);
    throw new DataError(
      `${path}, line ${index + 1}: '${text.slice(0, 40)}', expected one integer label a line`,
    );
  });
}
