import type { Command } from 'commander';
import { type SmoothOutcome, type SmoothSummary, smooth } from '../certify/index.js';
import { InvalidArgumentError } from '../errors.js';
import {
  type DeviceOptions,
  type InputOptions,
  type OutputOptions,
  addDeviceOptions,
  addInputOptions,
  addOutputOptions,
  addResumeOptions,
  existingPolicy,
  nonNegative,
  openData,
  openModel,
  whole,
  withVerifier,
} from './options.js';
import { ProgressDisplay } from './progress.js';
import { percent, table } from './table.js';

interface SmoothCommandOptions extends DeviceOptions, InputOptions, OutputOptions {
  sigma: number;
  n0: number;
  n: number;
  alpha: number;
  seed: number;
  predict: boolean;
}

/** `bulwark smooth`: randomized smoothing. */
export function addSmooth(program: Command, signal: AbortSignal): void {
  const command = addInputOptions(
    program
      .command('smooth')
      .description(
        'certify the model smoothed by Gaussian noise, by sampling: radii right with probability 1 - alpha',
      )
      .argument('<model>', 'ONNX file'),
  )
    .requiredOption('--sigma <s>', 'standard deviation of the noise, in the units of the data', nonNegative)
    .option('--n0 <N>', 'samples that choose a class', whole, 100)
    .option('--n <N>', 'samples that say how likely it is', whole, 100_000)
    .option('--alpha <a>', 'probability at most of a wrong statement about an image', nonNegative, 0.001)
    .option('--seed <S>', 'of the noise', whole, 0)
    .option('--predict', 'predict classes only, without radii', false);
  addDeviceOptions(addResumeOptions(addOutputOptions(command))).action(
    (path: string, options: SmoothCommandOptions) => run(path, options, signal),
  );
}

async function run(path: string, options: SmoothCommandOptions, signal: AbortSignal): Promise<void> {
  if (options.clip) {
    throw new InvalidArgumentError('--clip does not go with smoothing: noise leaves every range of pixels');
  }
  const existing = existingPolicy(options);
  const model = await openModel(path, options);
  const data = await openData(model, options);
  const { sigma, n0, n, alpha, seed, predict, out } = options;
  const progress = new ProgressDisplay('images');
  const counts = new Map<SmoothOutcome, number>();
  const summary = await withVerifier(options, async (verifier) => {
    try {
      return await smooth(verifier, model, data, {
        sigma,
        n0,
        n,
        alpha,
        seed,
        predict,
        out,
        existing,
        signal,
        onRecord: ({ outcome }) => counts.set(outcome, (counts.get(outcome) ?? 0) + 1),
        onProgress: (done, total) =>
          progress.update(
            done,
            total,
            [...counts].map(([outcome, count]) => `${count} ${outcome}`).join(', '),
          ),
      });
    } finally {
      progress.stop();
    }
  });
  process.stdout.write(`${options.json ? JSON.stringify(summary) : summaryTable(summary, predict)}\n`);
}

function summaryTable(summary: SmoothSummary, predict: boolean): string {
  const { total, alpha } = summary;
  const row = (name: string, count: number): (string | number)[] => [name, count, percent(count, total)];
  const outcomes = table([
    ['', 'images', 'share'],
    row(predict ? 'correct' : 'certified', summary.correct),
    row('misclassified', summary.misclassified),
    row('abstained', summary.abstained),
    row('total', total),
  ]);
  const radii = summary.accuracyAt.map(({ radius, accuracy }) => [
    radius.toPrecision(4),
    `${(100 * accuracy).toFixed(1)} %`,
  ]);
  const parts = [
    outcomes,
    ...(radii.length > 0 ? [table([['l2 radius', 'certified accuracy'], ...radii])] : []),
    [
      ...(summary.meanRadius === null ? [] : [`mean radius ${summary.meanRadius.toFixed(4)}`]),
      `${(1000 * summary.secondsPerImage).toFixed(1)} ms per image`,
    ].join(', '),
    `of the smoothed classifier; each statement is wrong with a probability of at most ${alpha}`,
  ];
  return parts.join('\n');
}
