/** Five kills of `scripts/kill.mjs`, with the real engine and certificates; cli.test.ts kills the stand-in. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

it('killed at random moments and resumed, a campaign ends with the same records and certificates', async () => {
  const path = fileURLToPath(new URL('../scripts/kill.mjs', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [path, '--kills', '5', '--images', '128']);
  expect(stdout).toMatch(/^5 kills in \d+ runs of 128 images: .* are those of an unbroken one\n$/);
}, 60_000);
