import type { Command } from 'commander';
import type { LabelledImages } from '../certify/data-set.js';
import type { Model } from '../model/index.js';
import { margins } from '../problem/specification.js';
import type { Verifier } from '../verify/verifier.js';
import { recordChunks } from './chunks.js';
import {
  type DataOptions,
  addDataOptions,
  nonNegative,
  openData,
  openModel,
  withVerifier,
} from './options.js';
import { table } from './table.js';

interface RadiusCommandOptions extends DataOptions {
  tolerance: number;
  max: number;
}

interface RadiusRecord {
  index: number;
  label: number;
  predicted: number;
  /** Certified radius; 0 for a misclassified image. */
  radius: number;
  /** A radius at which the prediction does change, where one is known. */
  upper: number | null;
}

const quantiles = [0, 0.1, 0.25, 0.5, 0.75, 0.9, 1];

/** `bulwark radius`: the largest ball that can be certified around each image. */
export function addRadius(program: Command, signal: AbortSignal): void {
  addDataOptions(
    program.command('radius').description('find the certified radius of each image by bisection'),
  )
    .option(
      '--tolerance <t>',
      'width at which the bisection ends, in the units of the data',
      nonNegative,
      1e-3,
    )
    .option('--max <r>', 'largest radius looked at', nonNegative, 1e6)
    .action((path: string, options: RadiusCommandOptions) => run(path, options, signal));
}

async function run(path: string, options: RadiusCommandOptions, signal: AbortSignal): Promise<void> {
  const model = await openModel(path, options);
  const data = await openData(model, options);
  const begin = performance.now();
  const records = await withVerifier(options, (verifier) => search(verifier, model, data, options, signal));
  const seconds = (performance.now() - begin) / 1000 / records.length;
  const correct = records.filter(({ label, predicted }) => label === predicted);
  const sorted = correct.map(({ radius }) => radius).sort((a, b) => a - b);
  const values = quantiles.map((q) => ({
    quantile: q,
    radius: sorted.length === 0 ? null : quantile(sorted, q),
  }));
  const median = values.find((entry) => entry.quantile === 0.5)?.radius ?? null;
  if (options.json) {
    const summary = {
      total: records.length,
      correct: correct.length,
      median,
      quantiles: values,
      secondsPerImage: seconds,
    };
    process.stdout.write(`${JSON.stringify(summary)}\n`);
    return;
  }
  const rows = values.map((entry) => [quantileName(entry.quantile), entry.radius?.toFixed(5) ?? '-']);
  process.stdout.write(
    `${table([['quantile', 'certified radius'], ...rows])}\n` +
      `over the ${correct.length} of ${records.length} images that are classified correctly, ${(1000 * seconds).toFixed(1)} ms per image\n`,
  );
}

async function search(
  verifier: Verifier,
  model: Model,
  data: LabelledImages,
  options: RadiusCommandOptions,
  signal: AbortSignal,
): Promise<RadiusRecord[]> {
  const { norm, clip, method, tolerance, max, timeLimit, out } = options;
  return recordChunks(data, out, async ({ index, centers, labels }) => {
    const predicted = await verifier.predict(model, centers, { signal });
    const radii = await verifier.radius(model, centers, {
      norm,
      ...(clip ? { clip } : {}),
      method,
      tolerance,
      max,
      timeLimit: timeLimit * centers.length,
      signal,
      specification: margins(labels),
    });
    return centers.map((_, i) => ({
      index: index + i,
      label: labels[i],
      predicted: predicted[i],
      radius: radii.lower[i],
      upper: Number.isFinite(radii.upper[i]) ? radii.upper[i] : null,
    }));
  });
}

/** Linear interpolation between the two nearest of the sorted values. */
export function quantile(sorted: readonly number[], q: number): number {
  const place = q * (sorted.length - 1);
  const below = Math.floor(place);
  const above = Math.ceil(place);
  return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
}

function quantileName(q: number): string {
  const names: Record<string, string> = { '0': 'smallest', '0.5': 'median', '1': 'largest' };
  return names[String(q)] ?? `${100 * q} %`;
}
