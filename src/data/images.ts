import { DataError, InvalidArgumentError, ShapeError } from '../errors.js';
import { formatShape, sameShape, sizeOf, stridedIndices } from '../tensor.js';
import { readArray } from './read-array.js';
import { type ArrayData, type ArrayFile, sliceData } from './scalars.js';

/** Order of the axes in the file: `nchw` is images x channels x rows x columns. */
export type Layout = 'nchw' | 'nhwc';

export interface Selection {
  /** Index of the first image (default 0). */
  start?: number;
  /** At most so many images (default: all). */
  limit?: number;
}

export interface LoadImagesOptions extends Selection {
  /** The model's input shape without the batch axis, e.g. `[1, 28, 28]` or `[784]`. */
  inputShape: readonly number[];
  /** How the file orders its axes; `nchw` unless said. Never guessed. */
  layout?: Layout;
}

/** Images in the model's order, in the units of the data. */
export interface Images {
  /** `[count * size]` */
  readonly data: Float64Array;
  readonly count: number;
  readonly size: number;
  /** Index in the file of the first image here. */
  readonly start: number;
  /** Images in the file. */
  readonly available: number;
  /** Labels of these images, where the file carries them. */
  readonly labels?: Int32Array;
}

/**
 * Loads test images for a model. uint8 data (IDX, CIFAR-10, uint8 arrays) is divided by 255, so pixels
 * lie in [0, 1]; float data is taken as it is.
 *
 * @throws DataError if the file is broken, or holds integers other than uint8, NaN or infinities.
 * @throws ShapeError if the images do not fit the model's input under the given layout.
 * @throws InvalidArgumentError if start or limit select nothing.
 */
export async function loadImages(path: string, options: LoadImagesOptions): Promise<Images> {
  const file = await readArray(path);
  const order = pixelOrder(file, options, path);
  const available = file.shape[0];
  const { start, count } = select(available, options, path);
  const size = sizeOf(options.inputShape);
  const data = toPixels(sliceData(file.data, start * size, count * size), file, path, start, size);
  const labels = file.labels && Int32Array.from(file.labels.subarray(start, start + count));
  const images = { data: order ? permute(data, order) : data, count, size, start, available };
  return labels ? { ...images, labels } : images;
}

/** Resolves start and limit against the number of entries there are. */
export function select(
  available: number,
  selection: Selection,
  where: string,
): { start: number; count: number } {
  const { start = 0, limit = Infinity } = selection;
  if (available === 0) throw new DataError(`${where} has no entries`);
  if (!Number.isInteger(start) || start < 0 || start >= available) {
    throw new InvalidArgumentError(
      `start is ${start}, expected an integer from 0 to ${available - 1}: ${where} has ${available} entries`,
    );
  }
  if (limit !== Infinity && (!Number.isInteger(limit) || limit < 1)) {
    throw new InvalidArgumentError(`limit is ${limit}, expected a positive integer`);
  }
  return { start, count: Math.min(limit, available - start) };
}

/**
 * Checks the shape and returns, for each feature of the model, its position in an image of the file;
 * `undefined` where both orders are the same. Axes of length 1 carry no order and are ignored.
 */
function pixelOrder(file: ArrayFile, options: LoadImagesOptions, path: string): Int32Array | undefined {
  const { inputShape, layout } = options;
  const image = file.shape.slice(1);
  const given = `${path} has shape ${formatShape(file.shape)}`;
  const wanted = `the model takes ${formatShape(inputShape)}`;
  if (file.shape.length < 2 || sizeOf(image) !== sizeOf(inputShape)) {
    throw new ShapeError(`${given}, ${wanted} for each image`);
  }
  const real = withoutUnits(image);
  const vector = withoutUnits(inputShape).length <= 1;
  if (layout === 'nhwc') {
    const flat = real.length <= 1 && inputShape.length === 3;
    const [channels, height, width] = flat ? (inputShape as [number, number, number]) : channelsLast(image);
    if (channels === undefined || height === undefined || width === undefined) {
      throw new ShapeError(
        `${given}, which is not images x rows x columns x channels as layout nhwc says; ${wanted}`,
      );
    }
    if (!vector && !sameAxes([channels, height, width], inputShape)) {
      throw new ShapeError(
        `${given}, under layout nhwc images of [${channels}, ${height}, ${width}]; ${wanted}`,
      );
    }
    const steps = [1, width * channels, channels];
    return channels === 1 ? undefined : stridedIndices([channels, height, width], steps);
  }
  if (vector && real.length === 3 && layout === undefined) {
    throw new ShapeError(`${given}, ${wanted}: say in which order to flatten, with layout nchw or nhwc`);
  }
  if (!vector && real.length > 1 && !sameAxes(image, inputShape)) {
    const [channels, height, width] = channelsLast(image);
    const fits = channels !== undefined && sameAxes([channels, height ?? 0, width ?? 0], inputShape);
    throw new ShapeError(
      `${given}, ${wanted} for each image${fits ? '; it fits with layout nhwc (--layout nhwc)' : ''}`,
    );
  }
  return undefined;
}

function channelsLast(image: readonly number[]): (number | undefined)[] {
  if (image.length === 2) return [1, image[0], image[1]];
  return image.length === 3 ? [image[2], image[0], image[1]] : [];
}

function withoutUnits(shape: readonly number[]): number[] {
  return shape.filter((extent) => extent !== 1);
}

function sameAxes(a: readonly number[], b: readonly number[]): boolean {
  return sameShape(withoutUnits(a), withoutUnits(b));
}

function permute(data: Float64Array, order: Int32Array): Float64Array {
  const size = order.length;
  const result = new Float64Array(data.length);
  for (let base = 0; base < data.length; base += size) {
    for (let feature = 0; feature < size; feature += 1) {
      result[base + feature] = data[base + order[feature]];
    }
  }
  return result;
}

function toPixels(data: ArrayData, file: ArrayFile, path: string, start: number, size: number): Float64Array {
  if (data instanceof Uint8Array && file.dtype === 'uint8')
    return Float64Array.from(data, (pixel) => pixel / 255);
  if (!(data instanceof Float32Array || data instanceof Float64Array)) {
    throw new DataError(`${path} holds ${file.dtype}, expected images as uint8 (0 to 255) or as floats`);
  }
  const pixels = Float64Array.from(data);
  const bad = pixels.findIndex((pixel) => !Number.isFinite(pixel));
  if (bad >= 0) {
    throw new DataError(
      `${path}: image ${start + Math.floor(bad / size)} has the value ${pixels[bad]} at position ${bad % size}`,
    );
  }
  return pixels;
}
