/** What scripts/gpu.sh says where a GPU answers and where none does, with a stand-in for the self-test. */
import { spawnSync } from 'node:child_process';
import { chmod } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from './support/array-files.js';

const script = fileURLToPath(new URL('../scripts/gpu.sh', import.meta.url));
const folder = temporaryFolder();

/** Runs parts of the script on a self-test that says this of its first case, and succeeds at all else. */
async function run(first: string, ...parts: string[]): Promise<{ code: number | null; lines: string[] }> {
  const said = `case "$*" in *copy*) echo '${first}';; *cublas*) echo 'skip linear [cublas]: no such library';; esac`;
  await chmod(await folder.write('selftest', `#!/bin/sh\n${said}\n`), 0o755);
  const { status, stdout } = spawnSync('bash', [script, folder.path, ...parts], {
    encoding: 'utf8',
    env: { ...process.env, OUT: '' },
  });
  return { code: status, lines: stdout.trim().split('\n') };
}

describe.skipIf(process.platform === 'win32')('scripts/gpu.sh', () => {
  it('without a GPU leaves out what is about one, says so last, and fails', async () => {
    for (const parts of [['bench'], ['kernels', 'bench', 'memcheck'], ['gpu'], ['everything']]) {
      const { code, lines } = await run('skip copy [cuda]: there is no driver', ...parts);
      expect(code).toBe(1);
      expect(lines.at(-1)).toBe('NOTHING WAS PROVEN OR TIMED ON A GPU: there is no driver');
      const leftOut = parts.filter((part) => part !== 'gpu' && part !== 'everything');
      for (const part of leftOut) expect(lines).toContain(`LEFT OUT  ${part}: there is no driver`);
      expect(lines.join()).not.toMatch(/ok {2}(gpu|kernels|bench|memcheck)/);
    }
  });

  it('with one that fails its first case does the same', async () => {
    const { code, lines } = await run('FAIL copy [cuda]', 'bench');
    expect(code).toBe(1);
    expect(lines.at(-1)).toContain('its first case failed');
  });

  it('with one runs what is asked for, and leaves out a library that is not there', async () => {
    const { code, lines } = await run('ok   copy [cuda]', 'gpu', 'kernels', 'cublas', 'bench');
    expect(code).toBe(0);
    expect(lines.slice(-4).map((line) => line.replace(/, \d+ s$/, ''))).toEqual([
      'ok  gpu',
      'ok  kernels',
      'LEFT OUT  cublas: no such library',
      'ok  bench',
    ]);
  });

  it('knows its parts', async () => {
    expect((await run('', 'benhc')).code).toBe(2);
  });
});
