/** The engine's kernels, from `build/selftest --bench-core`, and beside other libraries where those are installed. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { calibrate, parsePeak, runSelftest } from './calibration.mjs';
import { median } from './compare.mjs';

/**
 * Reads the lines of `selftest --bench-core`, `name  1.0 us  2.0 GFLOP/s  99.0 % of peak` or `name  1.0 us  2.0 GB/s`;
 * a line that starts with two blanks belongs to the heading above it. `peak` is that of the line, GFLOP/s.
 */
export function parseKernels(text) {
  const kernels = [];
  let heading = '';
  for (const line of text.split('\n').slice(1)) {
    const match = /^(.+?) +([\d.]+) us +([\d.]+) (GFLOP|GB)\/s(?: +([\d.]+) % of peak)?/.exec(line);
    if (!match) {
      heading = line.replace(/ \(.*\)$/, '');
      continue;
    }
    const [, label, microseconds, rate, unit, percent] = match;
    const seconds = Number(microseconds) / 1e6;
    const gflops = unit === 'GFLOP' ? Number(rate) : undefined;
    kernels.push({
      name: label.startsWith('  ') ? `${heading}: ${label.trim()}` : label,
      seconds,
      ...(gflops && { floor: gflops * 1e9 * seconds }),
      ...(gflops && percent && { peak: (gflops / Number(percent)) * 100 }),
    });
  }
  return kernels;
}

/** One case for every kernel, one thread. */
export function kernelCases() {
  const before = calibrate();
  const text = runSelftest(['--bench-core']);
  process.stdout.write(text);
  const during = median([before.peak, parsePeak(text).peak, calibrate().peak]);
  return parseKernels(text).map(({ name, seconds, floor, peak = during }) => ({
    name: `kernel: ${name}`,
    group: 'kernels',
    threads: 1,
    calls: 1,
    secondsPerImage: { processor: seconds, processorMedian: seconds, wall: seconds },
    peak,
    cost: seconds * peak * 1e9,
    ...(floor && { floor }),
  }));
}

/** Our speed over the best library's for each compared problem; empty where no library is installed. */
export function opponentRatios() {
  const program = fileURLToPath(new URL('native/opponents.mjs', import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, [program], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`the comparison with other libraries failed: ${stderr}`);
  process.stdout.write(stdout);
  return parseRatios(stdout);
}

export function parseRatios(text) {
  const ratios = [];
  let problem = '';
  for (const line of text.split('\n')) {
    const match = /^ {2}ours \/ best of them +([\d.]+)/.exec(line);
    if (match) ratios.push({ problem, ratio: Number(match[1]) });
    else if (line !== '' && !line.startsWith(' ')) problem = line;
  }
  return ratios;
}
