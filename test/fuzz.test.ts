/** A short run of `npm run fuzz`, on the ordinary build. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { fuzz, targets } from './fuzz/campaign.mjs';

const count = 300;
const keep = join(tmpdir(), 'bulwark-findings');

it.each(targets)('%s: only results and typed errors', async (target) => {
  const { counts, findings } = await fuzz({ target, count, seed: 2024, seconds: 20, megabytes: 1500, keep });
  expect(findings).toEqual([]);
  const cases = Object.values(counts).reduce((sum, each) => sum + each, 0);
  expect(cases).toBe(count);
  // A mutation that always ends at the first check would test nothing behind it.
  const refused = Object.entries(counts).filter(([outcome]) => outcome.startsWith('ERR_'));
  expect(refused.reduce((sum, [, each]) => sum + each, 0)).toBeLessThan(0.99 * count);
});

it('finds untyped errors, endless loops, crashes and memory', async () => {
  const limits = { seconds: 2, megabytes: 500, keep: await mkdtemp(join(tmpdir(), 'bulwark-planted-')) };
  const { findings, counts } = await fuzz({ target: 'planted', count: 12, seed: 1, ...limits });
  expect(findings.map(({ number, why }) => [number, why])).toEqual([
    [3, expect.stringMatching(/not a typed error: TypeError: planted/)],
    [5, expect.stringMatching(/took more than 2 s/)],
    [7, expect.stringMatching(/ended with SIGABRT/)],
    [9, expect.stringMatching(/took \d+ MB/)],
  ]);
  for (const { path } of findings) expect(existsSync(path)).toBe(true);
  // What a process had behind it when it died is not counted.
  expect(counts).toMatchObject({ stopped: 1 });
  await rm(limits.keep, { recursive: true });
});
