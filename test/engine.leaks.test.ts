/** A part of `scripts/leak.mjs`, in a process that nothing else uses. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

/** What it printed, whether it found growth (exit code 1) or not: the counts belong to the failure. */
async function leak(...options: string[]): Promise<string> {
  const path = fileURLToPath(new URL('../scripts/leak.mjs', import.meta.url));
  const run = promisify(execFile)(process.execPath, [path, ...options]);
  const { stdout, stderr } = await run.catch((failed: { stdout: string; stderr: string }) => failed);
  return stdout + stderr;
}

it('calls, aborted calls, failed loads and engines leave no memory behind', async () => {
  const stdout = await leak('--scale', '0.1', '--only', '^(?!training)');
  expect(stdout.match(/^\d+ [a-z ]+: [\d ]+ MB$/gm)).toHaveLength(4);
  expect(stdout).not.toContain('grew');
});

it('20,000 training steps leave none either', async () => {
  const stdout = await leak('--scale', '0.02', '--only', 'training');
  expect(stdout).toMatch(/^20000 training steps: [\d ]+ MB$/m);
  expect(stdout).not.toContain('grew');
});
