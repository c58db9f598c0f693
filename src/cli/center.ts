import type { Command } from 'commander';
import { ballLinf } from '../problem/region.js';
import { margins } from '../problem/specification.js';
import { certifiedCenters } from '../verify/index.js';
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

interface CenterCommandOptions extends DataOptions {
  eps: number;
  tolerance: number;
}

/** Only for an image that the model classifies correctly; otherwise radii are 0 and the centre is null. */
interface CenterRecord {
  index: number;
  label: number;
  predicted: number;
  /** By the affine bounds on the domain, proven too, around the image and around the best centre. */
  closedForm: number;
  closedFormAtCenter: number;
  /** Proven by bisection, as `bulwark radius` does it, whatever the domain. */
  proven: number;
  provenAtCenter: number;
  center: number[] | null;
}

/** `bulwark center`: the point near each image with the largest certified radius. */
export function addCenter(program: Command, signal: AbortSignal): void {
  addDataOptions(
    program
      .command('center')
      .description('find the centre near each image with the largest certified radius, by a linear program'),
  )
    .requiredOption(
      '--eps <radius>',
      'half width of the box around the image in which the centre and its ball are to lie',
      nonNegative,
    )
    .option('--tolerance <t>', 'width at which bisections of proven radii end', nonNegative, 1e-3)
    .action((path: string, options: CenterCommandOptions) => run(path, options, signal));
}

async function run(path: string, options: CenterCommandOptions, signal: AbortSignal): Promise<void> {
  const model = await openModel(path, options);
  const data = await openData(model, options);
  const begin = performance.now();
  const records = await withVerifier(options, (verifier) =>
    recordChunks<CenterRecord>(data, options.out, async ({ index, centers, labels }) => {
      const predicted = await verifier.predict(model, centers, { signal });
      const correct = [...predicted.keys()].filter((i) => predicted[i] === labels[i]);
      const found = await search(verifier, correct, centers, labels);
      return centers.map((_, i) => ({
        index: index + i,
        label: labels[i],
        predicted: predicted[i],
        ...(found.get(i) ?? nothing),
      }));
    }),
  );
  report(records, (performance.now() - begin) / 1000 / Math.max(1, records.length), options.json);

  async function search(
    verifier: Verifier,
    correct: readonly number[],
    centers: readonly Float64Array[],
    chunk: Int32Array,
  ): Promise<Map<number, Omit<CenterRecord, 'index' | 'label' | 'predicted'>>> {
    if (correct.length === 0) return new Map();
    const { norm, clip, method, eps, tolerance, timeLimit } = options;
    const own = correct.map((i) => centers[i]);
    const specification = margins(Int32Array.from(correct, (i) => chunk[i]));
    const region = ballLinf(own, eps, clip ? { clip } : {});
    const best = await certifiedCenters(verifier, model, region, { norm, method, specification, signal });
    const settings = {
      norm,
      ...(clip ? { clip } : {}),
      method,
      specification,
      tolerance,
      timeLimit: timeLimit * own.length,
      signal,
    };
    const before = await verifier.radius(model, own, settings);
    const after = await verifier.radius(
      model,
      best.map(({ center }) => center),
      settings,
    );
    return new Map(
      correct.map((i, at) => [
        i,
        {
          closedForm: best[at].radiusBefore,
          closedFormAtCenter: best[at].radius,
          proven: before.lower[at],
          provenAtCenter: after.lower[at],
          center: [...best[at].center],
        },
      ]),
    );
  }
}

const nothing = { closedForm: 0, closedFormAtCenter: 0, proven: 0, provenAtCenter: 0, center: null };

function report(records: readonly CenterRecord[], seconds: number, json: boolean): void {
  const correct = records.filter(({ center }) => center !== null);
  const mean = (pick: (record: CenterRecord) => number): number | null =>
    correct.length === 0 ? null : correct.reduce((sum, record) => sum + pick(record), 0) / correct.length;
  const summary = {
    total: records.length,
    correct: correct.length,
    closedForm: mean(({ closedForm }) => closedForm),
    closedFormAtCenter: mean(({ closedFormAtCenter }) => closedFormAtCenter),
    proven: mean(({ proven }) => proven),
    provenAtCenter: mean(({ provenAtCenter }) => provenAtCenter),
    secondsPerImage: seconds,
  };
  if (json) {
    process.stdout.write(`${JSON.stringify(summary)}\n`);
    return;
  }
  const shown = (value: number | null): string => value?.toFixed(5) ?? '-';
  const rows = [
    ['mean radius', 'image', 'best centre'],
    ['by the affine bounds', shown(summary.closedForm), shown(summary.closedFormAtCenter)],
    ['proven', shown(summary.proven), shown(summary.provenAtCenter)],
  ];
  process.stdout.write(
    `${table(rows)}\nover the ${correct.length} of ${records.length} images that are classified correctly, ` +
      `${(1000 * seconds).toFixed(1)} ms per image\n`,
  );
}
