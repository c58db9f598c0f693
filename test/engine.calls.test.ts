/** Many calls, calls at once, and ends in the middle of calls: no crash, no hang, nothing left behind. */
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Model, Verifier, ballL2, outputs } from '../src/index.js';
import { failure } from './support/failure.js';
import { Random, linearNetwork } from './support/random-networks.js';

let verifier: Verifier;
let model: Model;
beforeAll(() => {
  verifier = new Verifier({ threads: 2 });
  model = linearNetwork(new Random(1), [20, 30, 30, 5]);
});
afterAll(() => verifier.close());

const region = (seed: number) => ballL2(new Random(seed).vector(20, 0, 1), 0.3);
const small = { specification: outputs(), iterations: 2 };
const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Runs a program of test/support to its end; rejects if it crashes, fails or takes longer than it may. */
async function program(name: string, ...args: string[]): Promise<string> {
  const path = fileURLToPath(new URL(`support/${name}`, import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [path, ...args], { timeout: 20_000 });
  return stdout.trim();
}

it('two thousand calls leave no memory behind', async () => {
  const wide = linearNetwork(new Random(2), [8000, 4, 2]);
  const x = new Random(3).vector(8000, 0, 1);
  const batch = async (calls: number) => {
    for (let i = 0; i < calls; i += 10) {
      await Promise.all(Array.from({ length: 10 }, () => verifier.forward(wide, x)));
    }
  };
  await batch(200);
  const before = process.memoryUsage().rss;
  await batch(2000);
  // What one call holds is 64 KB of inputs.
  expect(process.memoryUsage().rss - before).toBeLessThan(500 * 64e3);
});

it.skipIf(process.platform !== 'linux')('fifty calls at once end their fifty threads', async () => {
  const threads = () => readdirSync('/proc/self/task').length;
  const alone = await verifier.bounds(model, region(0), small);
  await pause(50);
  const before = threads();
  const calls = Array.from({ length: 50 }, () => verifier.bounds(model, region(0), small));
  for (const { lower } of await Promise.all(calls)) expect(lower).toEqual(alone.lower);
  for (let wait = 0; wait < 100 && threads() > before; wait += 1) await pause(10);
  expect(threads()).toBeLessThanOrEqual(before);
});

it('every call gets its own outcome, though they are of all kinds', async () => {
  const controller = new AbortController();
  const endless = { ...small, iterations: 2 ** 30, signal: controller.signal };
  const calls = Array.from({ length: 20 }, (_, i) =>
    i % 2 ? failure(verifier.bounds(model, region(i), endless)) : verifier.forward(model, region(i).center),
  );
  for (let i = 0; i < 20; i += 2) expect(await calls[i]).toMatchObject({ shape: [1, 5] });
  controller.abort();
  for (let i = 1; i < 20; i += 2) expect(await calls[i]).toMatchObject({ code: 'ERR_ABORTED' });
});

it('an exception of onProgress ends the call and reaches its caller', async () => {
  const thrown = new Error('the display is gone');
  const centers = Array.from({ length: 200 }, (_, i) => region(i).center);
  const call = verifier.bounds(model, ballL2(centers, 0.3), {
    ...small,
    iterations: 20_000,
    onProgress: () => {
      throw thrown;
    },
  });
  expect(await failure(call)).toMatchObject({ cause: thrown });
});

it('workers terminated during their calls take nothing with them', async () => {
  expect(await program('calls-terminate.mjs', '15')).toBe('terminated 15');
});

it('process.exit during calls exits at once, with its code', async () => {
  const begin = performance.now();
  for (const kind of ['endless', 'quick', 'fresh']) await program('calls-worker.mjs', kind, '30');
  expect(performance.now() - begin).toBeLessThan(6000);
});
