/** A tenth of `scripts/leak.mjs`, in a process that nothing else uses. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

it('calls, aborted calls, failed loads and engines leave no memory behind', async () => {
  const path = fileURLToPath(new URL('../scripts/leak.mjs', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [path, '--scale', '0.1']);
  expect(stdout.match(/^\d+ [a-z ]+: [\d ]+ MB$/gm)).toHaveLength(4);
  expect(stdout).not.toContain('grew');
});
