import type { Command } from 'commander';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { AbortError, BulwarkError } from '../errors.js';
import { type Model, loadModel } from '../model/index.js';
import type { ProofLevel } from '../verify/options.js';
import type { Verifier } from '../verify/verifier.js';
import { type Answer, decide, loadVnnLib } from '../vnnlib/index.js';
import {
  type Instance,
  type Result,
  ResultFile,
  instanceFile,
  instanceKey,
  readExpected,
  readInstances,
  verdicts,
} from '../vnnlib/instances.js';
import {
  type DeviceOptions,
  addDeviceOptions,
  addResumeOptions,
  existingPolicy,
  nonNegative,
  withVerifier,
} from './options.js';
import { ProgressDisplay } from './progress.js';
import { percent, table } from './table.js';
import { formatAnswer, proofLevelOption } from './vnnlib.js';

interface VnnCompOptions extends DeviceOptions {
  out: string;
  expected?: string;
  timeLimit: number;
  witnesses?: string;
  assurance: ProofLevel;
  resume: boolean;
  force: boolean;
}

/** `bulwark vnncomp`: a family of instances, each with its own time limit. */
export function addVnnComp(program: Command, signal: AbortSignal): void {
  const command = program
    .command('vnncomp')
    .description('run a family of VNN-COMP instances and compare with the expected answers')
    .argument(
      '<instances>',
      'CSV file with lines onnx,vnnlib,seconds; files are relative to its folder, also .gz',
    )
    .requiredOption('--out <file>', 'results as CSV, one line per instance as soon as it is decided')
    .option(
      '--expected <file>',
      'CSV file with columns onnx, vnnlib, expected (default: expected.csv beside the instances)',
    )
    .option(
      '--time-limit <S>',
      'at most so many seconds for each instance, 0 for its own limit',
      nonNegative,
      0,
    )
    .option('--witnesses <folder>', 'write each answer with its counterexample there')
    .addOption(proofLevelOption());
  addDeviceOptions(addResumeOptions(command)).action((path: string, options: VnnCompOptions) =>
    run(path, options, signal),
  );
}

async function run(path: string, options: VnnCompOptions, signal: AbortSignal): Promise<void> {
  const { timeLimit, out, assurance } = options;
  const existing = existingPolicy(options);
  const most = timeLimit === 0 ? Infinity : timeLimit;
  const listed = await readInstances(path);
  const instances = listed.map((instance) => ({ ...instance, timeout: Math.min(instance.timeout, most) }));
  const beside = join(dirname(path), 'expected.csv');
  const expectedPath = options.expected ?? (existsSync(beside) ? beside : undefined);
  const expected = expectedPath === undefined ? undefined : await readExpected(expectedPath);
  if (options.witnesses !== undefined) await mkdir(options.witnesses, { recursive: true });
  const file = await ResultFile.open(out, instances, assurance, existing);
  const results = [...file.earlier];
  const progress = new ProgressDisplay('instances');
  try {
    await withVerifier(options, async (verifier) => {
      const runner = new Runner(verifier, path, options, signal);
      for (const instance of instances.slice(results.length)) {
        progress.update(results.length, instances.length, countsOf(results));
        const result = await runner.run(instance);
        results.push(result);
        await file.append(result);
      }
    });
    progress.update(results.length, instances.length, countsOf(results));
  } finally {
    progress.stop();
    await file.close();
  }
  summarise(results, expected);
}

/** Runs one instance after the other; a family has few models, so the last one read is kept. */
class Runner {
  readonly #verifier: Verifier;
  readonly #instances: string;
  readonly #witnesses: string | undefined;
  readonly #assurance: ProofLevel;
  readonly #signal: AbortSignal;
  #last: { path: string; model: Model } | undefined;

  constructor(verifier: Verifier, instances: string, options: VnnCompOptions, signal: AbortSignal) {
    this.#verifier = verifier;
    this.#instances = instances;
    this.#witnesses = options.witnesses;
    this.#assurance = options.assurance;
    this.#signal = signal;
  }

  /** Failures of one instance are its result, `error`, and are reported; the family goes on. */
  async run(instance: Instance): Promise<Result> {
    const begin = performance.now();
    const deadline = begin + 1000 * instance.timeout;
    let verdict: Result['verdict'] = 'error';
    try {
      const model = await this.#model(instanceFile(this.#instances, instance.onnx));
      const specification = await loadVnnLib(instanceFile(this.#instances, instance.vnnlib));
      const answer = await decide(this.#verifier, model, specification, {
        deadline,
        assurance: this.#assurance,
        signal: this.#signal,
      });
      await this.#keep(instance, answer);
      verdict = answer.verdict;
    } catch (error) {
      if (error instanceof AbortError || !(error instanceof BulwarkError)) throw error;
      process.stderr.write(`${instanceKey(instance)}: ${error.message}\n`);
    }
    return { ...instance, verdict, assurance: this.#assurance, seconds: (performance.now() - begin) / 1000 };
  }

  async #model(path: string): Promise<Model> {
    if (this.#last?.path !== path) this.#last = { path, model: await loadModel(path) };
    return this.#last.model;
  }

  async #keep({ onnx, vnnlib }: Instance, answer: Answer): Promise<void> {
    if (this.#witnesses === undefined) return;
    const name = [onnx, vnnlib]
      .map((file) => basename(file).replace(/\.(onnx|vnnlib)(\.gz)?$/, ''))
      .join('_');
    await writeFile(join(this.#witnesses, `${name}.txt`), `${formatAnswer(answer)}\n`);
  }
}

function countsOf(results: readonly Result[]): string {
  return verdicts
    .map((verdict) => [verdict, results.filter((result) => result.verdict === verdict).length] as const)
    .filter(([, count]) => count > 0)
    .map(([verdict, count]) => `${count} ${verdict}`)
    .join(', ');
}

/** @throws BulwarkError if an answer contradicts the expected one. */
function summarise(results: readonly Result[], expected: ReadonlyMap<string, string> | undefined): void {
  const rows = verdicts.map((verdict) => {
    const count = results.filter((result) => result.verdict === verdict).length;
    return [verdict, count, percent(count, results.length)];
  });
  const total = results.reduce((sum, { seconds }) => sum + seconds, 0);
  process.stdout.write(
    `${table([['', 'instances', 'share'], ...rows, ['total', results.length, percent(results.length, results.length)]])}\n` +
      `${total.toFixed(1)} s, ${(total / results.length).toFixed(2)} s per instance\n`,
  );
  if (expected === undefined) return;
  const known = results.filter((result) => expected.has(instanceKey(result)));
  const decided = known.filter(({ verdict }) => verdict === 'sat' || verdict === 'unsat');
  const wrong = decided.filter((result) => result.verdict !== expected.get(instanceKey(result)));
  process.stdout.write(
    `expected answers: ${known.length} known, ${decided.length - wrong.length} found, ${wrong.length} contradicted\n`,
  );
  if (wrong.length === 0) return;
  const shown = wrong.map((result) => `${instanceKey(result)}: ${result.verdict}`);
  throw new BulwarkError(
    'ERR_CONTRADICTION',
    `answers that contradict the expected ones:\n${shown.join('\n')}`,
  );
}
