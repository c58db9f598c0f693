import { Command, CommanderError } from 'commander';
import { createRequire } from 'node:module';
import { AbortError, BulwarkError } from '../errors.js';
import { addCenter } from './center.js';
import { addCertify } from './certify.js';
import { addCheck } from './check.js';
import { addInspect } from './inspect.js';
import { addRadius } from './radius.js';
import { addSmooth } from './smooth.js';
import { addTrain } from './train.js';
import { addVnnComp } from './vnncomp.js';
import { addVnnLib } from './vnnlib.js';

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };

/** Errors that the user can mend by another command line or another file: exit code 2. */
const usageCodes = new Set([
  'ERR_INVALID_ARGUMENT',
  'ERR_SHAPE',
  'ERR_MODEL',
  'ERR_UNSUPPORTED',
  'ERR_DATA',
  'ERR_DEVICE',
]);

/**
 * Runs one command line (without `node` and the program's path).
 *
 * @returns the exit code: 0 done, 2 wrong usage or bad input, 1 anything else.
 */
export async function run(args: readonly string[]): Promise<number> {
  const interrupt = new AbortController();
  const onSignal = (): void => interrupt.abort();
  // Only the first signal is caught: a second one ends the process at once, as usual.
  process.once('SIGINT', onSignal);
  process.once('SIGTERM', onSignal);
  try {
    await buildProgram(interrupt.signal).parseAsync([...args], { from: 'user' });
    return 0;
  } catch (error) {
    return report(error);
  } finally {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
}

function buildProgram(signal: AbortSignal): Command {
  const program = new Command('bulwark')
    .description('Certified robustness of neural networks: which predictions are provably stable')
    .version(version)
    .exitOverride();
  addCenter(program, signal);
  addCertify(program, signal);
  addCheck(program);
  addRadius(program, signal);
  addSmooth(program, signal);
  addTrain(program, signal);
  addInspect(program, signal);
  addVnnLib(program, signal);
  addVnnComp(program, signal);
  return program;
}

function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof AbortError) {
    process.stderr.write('bulwark: interrupted\n');
    return 1;
  }
  if (error instanceof BulwarkError) {
    process.stderr.write(`bulwark: ${error.message}\n`);
    return usageCodes.has(error.code) ? 2 : 1;
  }
  process.stderr.write(
    `bulwark: unexpected error\n${error instanceof Error ? error.stack : String(error)}\n`,
  );
  return 1;
}
