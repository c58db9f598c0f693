import { type Command, Option } from 'commander';
import { writeFile } from 'node:fs/promises';
import { AbortError, DataError } from '../errors.js';
import { loadModel } from '../model/index.js';
import type { ProofLevel } from '../verify/options.js';
import { type Answer, decide, formatWitness, loadVnnLib } from '../vnnlib/index.js';
import { type DeviceOptions, addDeviceOptions, nonNegative, whole, withVerifier } from './options.js';

interface VnnLibOptions extends DeviceOptions {
  timeout: number;
  result?: string;
  seed: number;
  assurance: ProofLevel;
}

/** `--assurance`: what unsat is proven of. */
export function proofLevelOption(): Option {
  const levels: readonly ProofLevel[] = ['real', 'float32'];
  return new Option('--assurance <level>', 'what unsat is proven of').choices(levels).default('real');
}

/** `bulwark vnnlib`: decide one VNN-LIB specification. */
export function addVnnLib(program: Command, signal: AbortSignal): void {
  const command = program
    .command('vnnlib')
    .description('decide a VNN-LIB specification: sat (with a counterexample), unsat, unknown or timeout')
    .argument('<model>', 'ONNX file, also .gz')
    .argument('<specification>', 'VNN-LIB 1.0 file, also .gz')
    .option('--timeout <S>', 'seconds from the start of the program, 0 for none', nonNegative, 0)
    .option('--result <file>', 'write the answer there as well')
    .option('--seed <N>', 'of the random starts of attacks', whole, 0)
    .addOption(proofLevelOption());
  addDeviceOptions(command).action((model: string, specification: string, options: VnnLibOptions) =>
    run(model, specification, options, signal),
  );
}

async function run(
  modelPath: string,
  specificationPath: string,
  options: VnnLibOptions,
  signal: AbortSignal,
): Promise<void> {
  const { timeout, seed, assurance } = options;
  // performance.now() counts from the start of the process, as the competition's clock does.
  const deadline = timeout === 0 ? Infinity : timeout * 1000;
  try {
    const model = await loadModel(modelPath);
    const specification = await loadVnnLib(specificationPath);
    const answer = await withVerifier(options, (verifier) =>
      decide(verifier, model, specification, { deadline, seed, assurance, signal }),
    );
    await report(formatAnswer(answer), options.result);
  } catch (error) {
    if (!(error instanceof AbortError)) await report('error', options.result);
    throw error;
  }
}

/** The verdict, and below it the counterexample of `sat`. */
export function formatAnswer(answer: Answer): string {
  return answer.verdict === 'sat' ? `sat\n${formatWitness(answer.counterexample)}` : answer.verdict;
}

async function report(text: string, path: string | undefined): Promise<void> {
  process.stdout.write(`${text}\n`);
  if (path === undefined) return;
  try {
    await writeFile(path, `${text}\n`);
  } catch (cause) {
    throw new DataError(`cannot write ${path}: ${(cause as Error).message}`, { cause });
  }
}
