/**
 * Feeds mutated files to a reader in a process of its own, bounded in time and memory for each file. A
 * crash, a hang, too much memory or an error that is no BulwarkError is a finding: its file is kept, and
 * the run goes on behind it.
 */
import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const targets = ['onnx', 'arrays', 'certificates', 'addon'];

const worker = fileURLToPath(new URL('worker.mjs', import.meta.url));

/**
 * @param options `target`; `count` cases from `first` (default 0) on, each a function of `seed` and its
 *   number; `seconds` and `megabytes` that a file may take; `env` for the process; `keep`, the folder for
 *   the files of findings.
 * @returns `{ counts, slowest, megabytes, findings }`: cases by outcome, the longest time in seconds, the
 *   most memory, and for each finding its number, why, and the path of its file.
 */
export async function fuzz({ target, count, seed, first = 0, seconds, megabytes, env = {}, keep }) {
  const folder = mkdtempSync(join(tmpdir(), 'bulwark-fuzz-'));
  const total = { counts: {}, slowest: 0, megabytes: 0, findings: [] };
  try {
    let from = first;
    while (from < first + count) {
      const limits = { target, seed, from, to: first + count, folder, megabytes };
      const { result, stopped } = await attempt(limits, seconds, env);
      for (const [outcome, cases] of Object.entries(result?.counts ?? {})) {
        total.counts[outcome] = (total.counts[outcome] ?? 0) + cases;
      }
      total.slowest = Math.max(total.slowest, result?.slowest ?? 0);
      total.megabytes = Math.max(total.megabytes, result?.megabytes ?? 0);
      if (!stopped) break;
      if (stopped.number < from) throw new Error(`${target}: the process did not start: ${stopped.why}`);
      mkdirSync(keep, { recursive: true });
      const path = join(keep, `${target}-${seed}-${stopped.number}`);
      copyFileSync(join(folder, 'case'), path);
      total.findings.push({ ...stopped, path });
      from = stopped.number + 1;
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return total;
}

/** One process. `stopped` is the case that it did not get past, if there is one. */
async function attempt(limits, seconds, env) {
  const args = Object.entries(limits).map(([name, value]) => `--${name}=${value}`);
  const child = spawn(process.execPath, [worker, ...args], { env: { ...process.env, ...env } });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text) => (stderr = (stderr + text).slice(-8000)));
  const under = () => {
    try {
      return Number(readFileSync(join(limits.folder, 'progress'), 'utf8') || -1);
    } catch {
      return -1;
    }
  };
  let [seen, since, hung] = [-1, performance.now(), false];
  const watch = setInterval(() => {
    const now = under();
    if (now !== seen) [seen, since] = [now, performance.now()];
    // The start of the process takes its time too.
    hung = performance.now() - since > 1000 * (seen < 0 ? seconds + 60 : seconds);
    if (hung) child.kill('SIGKILL');
  }, 200);
  const status = await new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve(signal ?? code));
  });
  clearInterval(watch);
  if (status === 0) {
    const result = JSON.parse(stdout.trim().split('\n').at(-1));
    return { result, stopped: result.stopped };
  }
  const why = hung ? `took more than ${seconds} s` : `ended with ${status}: ${stderr.trim()}`;
  return { stopped: { number: under(), why } };
}
