import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import type { Images } from '../data/images.js';
import { ShapeError } from '../errors.js';
import type { Model } from '../model/index.js';
import type { RunSettings } from './record-file.js';

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };

export interface LabelledImages {
  readonly images: Images;
  /** `[images.count]` */
  readonly labels: Int32Array;
}

/** @throws ShapeError if images, labels and model do not fit. */
export function checkDataSet(model: Model, { images, labels }: LabelledImages): void {
  if (images.size !== model.inputSize) {
    throw new ShapeError(`images have ${images.size} numbers each, the model takes ${model.inputSize}`);
  }
  if (labels.length !== images.count) {
    throw new ShapeError(`there are ${images.count} images and ${labels.length} labels, expected as many`);
  }
}

/** Images [begin, end), as views. */
export function imagesBetween({ images }: LabelledImages, begin: number, end: number): Float64Array[] {
  return Array.from({ length: end - begin }, (_, i) =>
    images.data.subarray((begin + i) * images.size, (begin + i + 1) * images.size),
  );
}

/**
 * What every run's settings say of its data. Hashes stand for the model and the data, so that another file
 * under the same name is noticed; records of another version of bulwark are not continued.
 */
export function dataSetSettings(model: Model, { images, labels }: LabelledImages): RunSettings {
  const { normalization } = model;
  return {
    version,
    model: model.sha256,
    normalization: normalization ? sha256(normalization.mean, normalization.std) : null,
    data: sha256(images.data, labels),
    start: images.start,
    count: images.count,
  };
}

function sha256(...arrays: (Float64Array | Int32Array)[]): string {
  const hash = createHash('sha256');
  for (const { buffer, byteOffset, byteLength } of arrays)
    hash.update(new Uint8Array(buffer, byteOffset, byteLength));
  return hash.digest('hex');
}
