/**
 * What this core can do right now: the peak of independent fused multiply-adds, from `build/selftest --peak`.
 * The clock and the neighbours of a shared machine move it as they move everything else, and none of the
 * project's kernels are in it, so that a time multiplied by it compares across runs.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const selftest = fileURLToPath(new URL('../build/selftest', import.meta.url));

/** Standard output of `build/selftest` with these arguments. */
export function runSelftest(args) {
  if (!existsSync(selftest)) throw new Error(`${selftest} is missing: run npm run bench, which builds it`);
  const { status, stdout, stderr } = spawnSync(selftest, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`selftest ${args.join(' ')} ended with ${status}: ${stderr}`);
  return stdout;
}

/** `{ instructionSet, peak }`, the peak in GFLOP/s of one core. Takes half a second. */
export function calibrate() {
  return parsePeak(runSelftest(['--peak']));
}

/** Reads the first line of `selftest --peak` and of `selftest --bench-core`. */
export function parsePeak(text) {
  const match = /^(\w+): peak ([\d.]+) GFLOP\/s/.exec(text);
  if (!match) throw new Error(`the self-test gave no peak: ${text.slice(0, 200)}`);
  return { instructionSet: match[1], peak: Number(match[2]) };
}
