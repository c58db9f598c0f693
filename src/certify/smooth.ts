import type { Model } from '../model/index.js';
import { smoothedPrediction, smoothedRadius } from '../smoothing/index.js';
import { integer, positive } from '../verify/options.js';
import type { Verifier } from '../verify/verifier.js';
import { type LabelledImages, checkDataSet, dataSetSettings, imagesBetween } from './data-set.js';
import { type Existing, RecordFile } from './record-file.js';

export interface SmoothOptions {
  /** Standard deviation of the noise, in the units of the data. */
  sigma: number;
  /** Samples that choose a class; default 100. */
  n0?: number;
  /** Samples that say how likely it is; default 100,000. */
  n?: number;
  /** Probability at most with which what is said of an image may be wrong; default 0.001. */
  alpha?: number;
  /** The noise of an image is a function of the seed and its index; default 0. */
  seed?: number;
  /** Predict classes only, without radii; default false. */
  predict?: boolean;
  /** Path of a file of JSON lines; default: none is written. */
  out?: string;
  /** What to do if `out` exists: default `'refuse'`. */
  existing?: Existing;
  signal?: AbortSignal;
  onRecord?: (record: SmoothRecord) => void;
  /** Called with the images done so far, those of a resumed run included, and their total. */
  onProgress?: (done: number, total: number) => void;
}

/**
 * What sampling says of one image; never more than a statement about the smoothed classifier that is
 * right with probability 1 - alpha.
 *
 * - `certified`: the smoothed classifier has the label as its class on the whole ball of `radius`.
 * - `correct` (prediction only): it has the label as its class at the image.
 * - `misclassified`: it has another class.
 * - `abstained`: the samples do not tell.
 */
export type SmoothOutcome = 'certified' | 'correct' | 'misclassified' | 'abstained';

export interface SmoothRecord {
  /** Index of the image in the data file. */
  readonly index: number;
  readonly label: number;
  /** The smoothed classifier's class; null where it abstained. */
  readonly predicted: number | null;
  readonly outcome: SmoothOutcome;
  /** l2 radius on which the class stays, rounded down; absent from predictions. */
  readonly radius?: number;
  /** Lower confidence bound of the class's probability under noise; absent from predictions. */
  readonly pLower?: number;
  /** Of the test that the two most frequent classes are equally likely; predictions only. */
  readonly pValue?: number;
  /** The image's share of the time of the calls it was part of. */
  readonly seconds: number;
}

export interface SmoothSummary {
  readonly total: number;
  /** Images whose class is the label: outcome certified or correct. */
  readonly correct: number;
  readonly misclassified: number;
  readonly abstained: number;
  readonly sigma: number;
  readonly n0: number;
  readonly n: number;
  readonly alpha: number;
  /** Share of all images that are certified with a radius of at least so much; empty for predictions. */
  readonly accuracyAt: readonly { readonly radius: number; readonly accuracy: number }[];
  /** Over all images, those without one counted as 0; null for predictions. */
  readonly meanRadius: number | null;
  readonly secondsPerImage: number;
}

/** Images that share native calls: as many as make this many samples, within limits. */
const samplesAtOnce = 200_000;
const mostImages = 64;

/**
 * Randomized smoothing of a data set, image by image. An image's noise depends on the seed and its index
 * only, so a resumed run ends with the same records as an unbroken one, and threads change nothing.
 *
 * @returns counts and radii over all records.
 * @throws InvalidArgumentError for options out of range, or an `out` that exists or belongs to a run
 *   with other settings; ShapeError if images, labels and model do not fit; DataError if `out` is no
 *   file of such records; AbortError if the signal fires.
 */
export async function smooth(
  verifier: Verifier,
  model: Model,
  data: LabelledImages,
  options: SmoothOptions,
): Promise<SmoothSummary> {
  const begin = performance.now();
  const { images } = data;
  checkDataSet(model, data);
  const settings = {
    predict: options.predict ?? false,
    sigma: positive('sigma', options.sigma),
    n0: integer('n0', options.n0 ?? 100, 1),
    n: integer('n', options.n ?? 100_000, 1),
    alpha: options.alpha ?? 0.001,
    seed: integer('seed', options.seed ?? 0, 0),
  };
  const file = options.out
    ? await RecordFile.open<SmoothRecord>(
        options.out,
        'outcome',
        { ...dataSetSettings(model, data), ...settings, device: verifier.device, cublas: verifier.cublas },
        images.start,
        options.existing ?? 'refuse',
      )
    : undefined;
  const records = [...(file?.earlier ?? [])];
  const before = records.length;
  const together = Math.min(mostImages, Math.max(1, Math.floor(samplesAtOnce / settings.n)));
  options.onProgress?.(before, images.count);
  try {
    while (records.length < images.count) {
      const chunk = [records.length, Math.min(records.length + together, images.count)] as const;
      for (const record of await settle(verifier, model, data, chunk, settings, options.signal)) {
        await file?.append(record);
        records.push(record);
        options.onRecord?.(record);
      }
      options.onProgress?.(records.length, images.count);
    }
  } finally {
    await file?.close();
  }
  const seconds = (performance.now() - begin) / 1000 / Math.max(1, records.length - before);
  return summarise(records, settings, records.length > before ? seconds : 0);
}

type Settings = Required<Pick<SmoothOptions, 'predict' | 'sigma' | 'n0' | 'n' | 'alpha' | 'seed'>>;

async function settle(
  verifier: Verifier,
  model: Model,
  data: LabelledImages,
  [begin, end]: readonly [number, number],
  settings: Settings,
  signal: AbortSignal | undefined,
): Promise<SmoothRecord[]> {
  const start = performance.now();
  const centers = imagesBetween(data, begin, end);
  const streams = Int32Array.from(centers, (_, i) => data.images.start + begin + i);
  const { predict, ...sampling } = settings;
  const asked = { ...sampling, streams, ...(signal ? { signal } : {}) };
  const answers = predict
    ? await smoothedPrediction(verifier, model, centers, asked)
    : await smoothedRadius(verifier, model, centers, asked);
  const seconds = (performance.now() - start) / 1000 / centers.length;
  return answers.map((answer, i) => {
    const label = data.labels[begin + i];
    const { predicted } = answer;
    const right = predict ? 'correct' : 'certified';
    const outcome = predicted === null ? 'abstained' : predicted === label ? right : 'misclassified';
    const numbers =
      'radius' in answer ? { radius: answer.radius, pLower: answer.pLower } : { pValue: answer.pValue };
    return { index: streams[i], label, predicted, outcome, ...numbers, seconds };
  });
}

function summarise(records: readonly SmoothRecord[], settings: Settings, seconds: number): SmoothSummary {
  const count = (outcome: SmoothOutcome): number =>
    records.filter((record) => record.outcome === outcome).length;
  const { sigma, n0, n, alpha, predict } = settings;
  const radii = records.map(({ outcome, radius = 0 }) => (outcome === 'certified' ? radius : 0));
  const total = records.length;
  const steps = Math.floor((Math.max(0, ...radii) / sigma) * 2 + 1);
  const accuracyAt = Array.from({ length: steps }, (_, i) => {
    const radius = (i * sigma) / 2;
    const reached = radii.filter((found) => found > 0 && found >= radius).length;
    return { radius, accuracy: total === 0 ? 0 : reached / total };
  });
  return {
    total,
    correct: count(predict ? 'correct' : 'certified'),
    misclassified: count('misclassified'),
    abstained: count('abstained'),
    sigma,
    n0,
    n,
    alpha,
    accuracyAt: predict ? [] : accuracyAt,
    meanRadius: predict || total === 0 ? null : radii.reduce((sum, radius) => sum + radius, 0) / total,
    secondsPerImage: seconds,
  };
}
