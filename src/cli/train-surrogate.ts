/** `bulwark train --data opf`: a surrogate of DC-OPF instead of a classifier. */
import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NativeArithmetic, Tape } from '../autodiff/index.js';
import { DataError, InvalidArgumentError } from '../errors.js';
import { exportOnnx } from '../model/index.js';
import { parseMatpower } from '../opf/index.js';
import { dispatchData, dispatchDefaults } from '../train/dispatch.js';
import { squaredError, surrogateDefaults, trainSurrogate } from '../train/surrogate.js';
import { ProgressDisplay } from './progress.js';

/** The grid of the paper's study, by its name in PGLib. */
export const gridFile = 'pglib_opf_case3_lmbd.m';

/** What `--set` may name: weight and radius of the certified violation, samples, and spread of the demands. */
const settings = {
  weight: 0.1,
  eps: surrogateDefaults.eps,
  train: dispatchDefaults.train,
  test: dispatchDefaults.test,
  spread: dispatchDefaults.spread,
};

/** One line for --help. */
export const surrogateHelp =
  `  --data opf: recipes standard (squared error) and certified (with the certified violation); ` +
  `epochs (full-batch steps) ${surrogateDefaults.steps}, rate ${surrogateDefaults.rate}; --set: ` +
  Object.entries(settings)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');

export interface SurrogateCommand {
  readonly recipe: string;
  readonly dataDir?: string;
  readonly arch: string;
  readonly out: string;
  readonly seed: number;
  readonly set: Readonly<Record<string, number>>;
  readonly epochs?: number;
  readonly rate?: number;
  readonly threads?: number;
}

/** Of `bulwark train`'s options these have no meaning here, where training takes seconds and one batch. */
const unused = [
  'labels',
  'log',
  'checkpoint',
  'batch',
  'finalRate',
  'weightDecay',
  'clip',
  'ema',
  'smoothing',
  'validation',
  'patience',
  'shift',
] as const;

/**
 * Trains, writes the network and, beside it as `OUT.json`, what its standardised inputs and outputs mean.
 *
 * @throws InvalidArgumentError for options that do not apply; DataError where the grid is not there.
 */
export async function trainOpf(command: SurrogateCommand, signal: AbortSignal): Promise<void> {
  const { recipe, dataDir, arch, out, seed, threads = 0 } = command;
  const given = command as unknown as Record<string, unknown>;
  const odd = [...unused.filter((name) => given[name] !== undefined), ...(given.resume ? ['resume'] : [])];
  if (odd.length > 0) throw new InvalidArgumentError(`--data opf: ${odd.join(', ')} do not apply to it`);
  if (recipe !== 'standard' && recipe !== 'certified') {
    throw new InvalidArgumentError(
      `--data opf is a regression: recipe ${recipe} is not for it, expected standard or certified`,
    );
  }
  const wrong = Object.keys(command.set).filter((name) => !(name in settings));
  if (wrong.length > 0) {
    throw new InvalidArgumentError(
      `--data opf has no setting ${wrong.join(', ')}; its settings: ${Object.keys(settings).join(', ')}`,
    );
  }
  if (dataDir === undefined) throw new InvalidArgumentError('--data opf needs --data-dir, its folder');
  const path = join(dataDir, gridFile);
  if (!existsSync(path)) throw new DataError(`${dataDir}: expected ${gridFile} there`);
  const { weight, eps, train, test, spread } = { ...settings, ...command.set };
  const data = await dispatchData(parseMatpower(readFileSync(path, 'utf8')), { train, test, spread, seed });
  const steps = command.epochs ?? surrogateDefaults.steps;
  const progress = new ProgressDisplay('steps');
  const network = await trainSurrogate(data, recipe === 'standard' ? 0 : weight, {
    architecture: arch,
    steps,
    rate: command.rate ?? surrogateDefaults.rate,
    eps,
    seed,
    threads,
    signal,
    onStep: (step, loss) => progress.update(step, steps, `loss ${loss.toFixed(4)}`),
  }).finally(() => progress.stop());
  const tape = new Tape(new NativeArithmetic({ threads }));
  const error = tape.scope(() => squaredError(tape, network, data.test).item());
  await writeFile(out, exportOnnx(network.graph()));
  const { inputScale, targetScale, limits } = data;
  await writeFile(`${out}.json`, `${JSON.stringify({ inputScale, targetScale, limits }, undefined, 2)}\n`);
  process.stdout.write(
    `squared error on ${test} test demands: ${error.toFixed(4)} standard deviations\n` +
      `wrote ${out}; scales and limits in ${out}.json\n`,
  );
}
