import type { NativeRows } from '../binding.js';
import { InvalidArgumentError, ShapeError } from '../errors.js';
import type { Vector } from './region.js';

/**
 * Linear functions `C y + d` of the model's output y whose bounds are wanted. It knows the number of
 * outputs and images only when it is used, hence `resolve`.
 */
export interface Specification {
  /** For messages. */
  readonly description: string;
  /**
   * The rows for `count` images of a model with `outputSize` outputs.
   *
   * @throws InvalidArgumentError or ShapeError where the specification does not fit these.
   */
  resolve(count: number, outputSize: number): NativeRows;
}

/**
 * Margins of the true class over every other class, `y_label - y_j` for j ascending without the label:
 * `outputSize - 1` rows per image. A prediction is robust exactly where all of them are positive.
 *
 * @param labels the true class, one for all images or one per image.
 */
export function margins(labels: number | ArrayLike<number>): Specification {
  const list = typeof labels === 'number' ? [labels] : Array.from(labels);
  return {
    description: 'margins',
    resolve(count, outputSize) {
      if (typeof labels !== 'number' && list.length !== count) {
        throw new ShapeError(`margins has ${list.length} labels, the region has ${count} images`);
      }
      if (outputSize < 2)
        throw new ShapeError(`margins need at least 2 outputs, the model has ${outputSize}`);
      const rowCount = outputSize - 1;
      const c = new Float64Array(list.length * rowCount * outputSize);
      let row = 0;
      for (const label of list) {
        if (!Number.isInteger(label) || label < 0 || label >= outputSize) {
          throw new InvalidArgumentError(
            `label is ${label}, expected an integer from 0 to ${outputSize - 1}`,
          );
        }
        for (let other = 0; other < outputSize; other += 1) {
          if (other === label) continue;
          c[row * outputSize + label] = 1;
          c[row * outputSize + other] = -1;
          row += 1;
        }
      }
      return { rowCount, c, d: new Float64Array(row), shared: typeof labels === 'number' };
    },
  };
}

/** The outputs themselves: one row per output. */
export function outputs(): Specification {
  return {
    description: 'outputs',
    resolve(_count, outputSize) {
      const c = new Float64Array(outputSize * outputSize);
      for (let row = 0; row < outputSize; row += 1) c[row * outputSize + row] = 1;
      return { rowCount: outputSize, c, d: new Float64Array(outputSize), shared: true };
    },
  };
}

/**
 * Arbitrary rows `C y + d`, the same for every image.
 *
 * @param c one vector of `outputSize` coefficients per row.
 * @param d one constant per row (default 0).
 * @throws InvalidArgumentError if there is no row or a number is not finite.
 * @throws ShapeError if d has another length than c.
 */
export function rows(c: readonly Vector[], d?: Vector): Specification {
  if (c.length === 0) throw new InvalidArgumentError('rows has no row, expected at least one');
  if (d && d.length !== c.length)
    throw new ShapeError(`rows has ${c.length} rows and ${d.length} constants, expected as many`);
  const constants = d ? Float64Array.from(d) : new Float64Array(c.length);
  const coefficients = c.map((row) => Float64Array.from(row));
  for (const [index, row] of coefficients.entries()) {
    if (row.every(Number.isFinite) && Number.isFinite(constants[index])) continue;
    throw new InvalidArgumentError(`row ${index} has a coefficient or constant that is not finite`);
  }
  return {
    description: 'rows',
    resolve(_count, outputSize) {
      const flat = new Float64Array(c.length * outputSize);
      coefficients.forEach((row, index) => {
        if (row.length !== outputSize) {
          throw new ShapeError(
            `row ${index} has ${row.length} coefficients, the model has ${outputSize} outputs`,
          );
        }
        flat.set(row, index * outputSize);
      });
      return { rowCount: c.length, c: flat, d: constants, shared: true };
    },
  };
}

/** The rows followed by their negatives: a lower bound of `-row` is minus an upper bound of `row`. */
export function withNegatives(native: NativeRows, outputSize: number): NativeRows {
  const { rowCount, shared } = native;
  const images = native.d.length / rowCount;
  return {
    rowCount: 2 * rowCount,
    shared,
    c: appendNegatives(native.c, images, rowCount * outputSize),
    d: appendNegatives(native.d, images, rowCount),
  };
}

function appendNegatives(values: Float64Array, images: number, block: number): Float64Array {
  const result = new Float64Array(2 * values.length);
  for (let image = 0; image < images; image += 1) {
    const part = values.subarray(image * block, (image + 1) * block);
    result.set(part, 2 * image * block);
    result.set(
      part.map((value) => -value),
      (2 * image + 1) * block,
    );
  }
  return result;
}

/** The rows of some images only, as a specification for a region of just these. */
export function forImages(native: NativeRows, images: readonly number[], outputSize: number): Specification {
  const { rowCount, shared } = native;
  if (shared) return { description: 'rows', resolve: () => native };
  const block = rowCount * outputSize;
  const c = new Float64Array(images.length * block);
  const d = new Float64Array(images.length * rowCount);
  images.forEach((image, index) => {
    c.set(native.c.subarray(image * block, (image + 1) * block), index * block);
    d.set(native.d.subarray(image * rowCount, (image + 1) * rowCount), index * rowCount);
  });
  return { description: 'rows', resolve: () => ({ rowCount, shared, c, d }) };
}
