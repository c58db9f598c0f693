import { type Command, Option } from 'commander';
import { type CertifySummary, type Verdict, certify } from '../certify/index.js';
import { type Assurance, assurances } from '../verify/options.js';
import {
  type DataOptions,
  type OutputOptions,
  addDataOptions,
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

interface CertifyCommandOptions extends DataOptions, OutputOptions {
  eps: number;
  attack: 'on' | 'off';
  assurance?: Assurance;
  certificates?: string;
  subproblems?: number;
  memory?: number;
}

/** `bulwark certify`: which predictions are provably robust. */
export function addCertify(program: Command, signal: AbortSignal): void {
  const command = addDataOptions(
    program.command('certify').description('certify the predictions for a file of images'),
  )
    .requiredOption(
      '--eps <radius>',
      'radius of the ball, in the units of the data: 0.3 or 24/255',
      nonNegative,
    )
    .addOption(new Option('--attack <on|off>', 'try to falsify first').choices(['on', 'off']).default('on'))
    .addOption(
      new Option('--assurance <level>', 'what verified is proven of (default: real)').choices([
        ...assurances,
      ]),
    )
    .option('--certificates <folder>', 'write a certificate for every verified image')
    .option('--subproblems <N>', 'method complete: most per image (default: 100000)', whole)
    .option('--memory <MiB>', 'method complete: most that is kept of an image (default: 1024)', whole);
  addResumeOptions(command).action((path: string, options: CertifyCommandOptions) =>
    run(path, options, signal),
  );
}

async function run(path: string, options: CertifyCommandOptions, signal: AbortSignal): Promise<void> {
  const existing = existingPolicy(options);
  const model = await openModel(path, options);
  const data = await openData(model, options);
  const { norm, eps, clip, method, timeLimit, out } = options;
  const progress = new ProgressDisplay('images');
  const counts = new Map<Verdict, number>();
  const summary = await withVerifier(options, async (verifier) => {
    try {
      return await certify(verifier, model, data, {
        norm,
        eps,
        clip,
        method,
        assurance: options.assurance,
        certificates: options.certificates,
        attack: options.attack === 'on',
        timeLimit,
        subproblems: options.subproblems,
        memory: options.memory,
        out,
        existing,
        signal,
        onRecord: ({ verdict }) => counts.set(verdict, (counts.get(verdict) ?? 0) + 1),
        onProgress: (done, total) =>
          progress.update(
            done,
            total,
            [...counts].map(([verdict, count]) => `${count} ${verdict}`).join(', '),
          ),
      });
    } finally {
      progress.stop();
    }
  });
  process.stdout.write(`${options.json ? JSON.stringify(summary) : summaryTable(summary)}\n`);
}

function summaryTable(summary: CertifySummary): string {
  const { total } = summary;
  const row = (name: string, count: number): (string | number)[] => [name, count, percent(count, total)];
  const text = table([
    ['', 'images', 'share'],
    row('verified', summary.verified),
    row('falsified', summary.falsified),
    row('misclassified', summary.misclassified),
    row('unknown', summary.unknown),
    row('timeout', summary.timeouts),
    row('error', summary.errors),
    row('total', total),
  ]);
  const accuracy = `accuracy ${percent(summary.correct, total)}, verified accuracy ${percent(summary.verified, total)}`;
  const spent = `${(1000 * summary.secondsPerImage).toFixed(1)} ms per image`;
  const searched = summary.subproblems > 0 ? `, ${summary.subproblems} subproblems` : '';
  return `${text}\n${accuracy}, ${spent}${searched}`;
}
