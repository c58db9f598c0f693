/** Stopping in the awkward moments: waiting for a thread, making norms, inside a worker that is torn down. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  AbortError,
  type Bounds,
  ClosedError,
  type Model,
  Verifier,
  ballL2,
  ballLinf,
  outputs,
} from '../src/index.js';
import { failure } from './support/failure.js';
import { Random, linearNetwork } from './support/random-networks.js';

let verifier: Verifier;
let model: Model;
beforeAll(() => {
  verifier = new Verifier({ threads: 2 });
  model = linearNetwork(new Random(3), [60, 120, 120, 10]);
});
afterAll(() => verifier.close());

const endless = { specification: outputs(), iterations: 2 ** 30 };
const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const region = () => ballL2(new Random(4).vector(60, 0, 1), 0.5);

/** Milliseconds from the abort to the rejection. */
async function abortDelay(call: (signal: AbortSignal) => Promise<unknown>, after: number): Promise<number> {
  const controller = new AbortController();
  const outcome = failure(call(controller.signal));
  await pause(after);
  const begin = performance.now();
  controller.abort();
  expect(await outcome).toBeInstanceOf(AbortError);
  return performance.now() - begin;
}

it('a call that waits behind others is aborted at once, too', async () => {
  const controller = new AbortController();
  // More than libuv's pool has threads: the last one cannot have begun.
  const before = Array.from({ length: 6 }, () =>
    failure(verifier.bounds(model, region(), { ...endless, signal: controller.signal })),
  );
  const delay = abortDelay((signal) => verifier.bounds(model, region(), { ...endless, signal }), 20);
  const first = await Promise.race([delay, pause(2000).then(() => Infinity)]);
  controller.abort();
  await delay;
  for (const outcome of await Promise.all(before)) expect(outcome).toBeInstanceOf(AbortError);
  expect(first).toBeLessThan(100);
});

it('a first call is aborted while it computes the norms of large matrices', async () => {
  const delays: number[] = [];
  for (let trial = 0; trial < 2; trial += 1) {
    // A new model every time: norms are kept with it.
    const large = linearNetwork(new Random(trial), [1200, 1200, 1200, 10]);
    const around = ballL2(new Float64Array(1200), 1);
    const call = (signal: AbortSignal) => verifier.bounds(large, around, { ...endless, signal });
    delays.push(await abortDelay(call, 60));
  }
  expect(Math.min(...delays)).toBeLessThan(100);
});

it(
  'a time limit holds for every stage: norms, boxes, bounds, searches and proofs',
  { timeout: 60_000 },
  async () => {
    const one = new Verifier({ threads: 1 });
    const wide = linearNetwork(new Random(5), [200, 2200, 2200, 10]);
    const center = new Random(6).vector(200, 0, 1);
    await one.forward(wide, center); // the network is made on the first call
    const common = { specification: outputs(), iterations: 2 ** 30, timeLimit: 1 } as const;
    const slow: string[] = [];
    for (const around of [ballL2(center, 0.5), ballLinf(center, 0.05)]) {
      for (const options of [
        { ...common, method: 'joint' },
        { ...common, method: 'joint', boxes: 'crown' },
        { ...common, method: 'complete', boxes: 'optimised', boxSubproblems: 2 ** 16 },
      ] as const) {
        const before = process.cpuUsage();
        const { lower, timedOut } = await one.bounds(wide, around, options);
        const { user, system } = process.cpuUsage(before);
        const seconds = (user + system) / 1e6;
        expect(timedOut).toEqual([true]);
        expect(lower.some((bound) => bound > 0)).toBe(false);
        if (seconds > 1.5) slow.push(`${around.kind} ${options.method} ${seconds.toFixed(2)} s`);
      }
    }
    expect(slow).toEqual([]);
    await one.close();
  },
);

it('what is proven when the time ends is returned', { timeout: 60_000 }, async () => {
  const small = linearNetwork(new Random(7), [20, 60, 60, 60, 5]);
  // Batches of 256 are proven one after the other. More images until there is not time for all, whatever the machine.
  const timeLimit = 1;
  for (let count = 10_000; ; count *= 2) {
    const centers = Array.from({ length: count }, (_, i) => new Random(i).vector(20, 0, 1));
    const { lower, timedOut } = await verifier.bounds(small, ballLinf(centers, 0.05), {
      specification: outputs(),
      method: 'crown',
      timeLimit,
    });
    const proven = (i: number) => lower.subarray(5 * i, 5 * i + 5).every(Number.isFinite);
    expect(timedOut.findIndex((late, i) => !late && !proven(i))).toBe(-1);
    if (!timedOut.at(-1)) continue;
    expect(timedOut[0]).toBe(false);
    expect(lower.at(-1)).toBe(-Infinity);
    return;
  }
});

it('close() ends calls under way and calls that wait', async () => {
  const closing = new Verifier({ threads: 1 });
  const calls = Array.from({ length: 6 }, () => failure(closing.bounds(model, region(), endless)));
  await pause(20);
  const begin = performance.now();
  await closing.close();
  expect(performance.now() - begin).toBeLessThan(1000);
  for (const outcome of await Promise.all(calls)) expect(outcome).toBeInstanceOf(ClosedError);
});

it('calls together give the bits that each gives alone', async () => {
  const options = { specification: outputs(), iterations: 30, upper: true };
  const regions = Array.from({ length: 8 }, (_, i) => ballL2(new Random(i).vector(60, 0, 1), 0.1 * (i + 1)));
  const alone: Bounds[] = [];
  for (const each of regions) alone.push(await verifier.bounds(model, each, options));
  const together = await Promise.all(regions.map((each) => verifier.bounds(model, each, options)));
  together.forEach((result, i) => {
    expect(result.lower).toEqual(alone[i].lower);
    expect(result.upper).toEqual(alone[i].upper);
  });
});

it('progress rises to at most its total while the call runs', async () => {
  const centers = Array.from({ length: 40 }, (_, i) => new Random(i).vector(60, 0, 1));
  const seen: [number, number][] = [];
  const controller = new AbortController();
  const call = failure(
    verifier.bounds(model, ballL2(centers, 0.5), {
      specification: outputs(),
      iterations: 1_000_000,
      signal: controller.signal,
      onProgress: (done, total) => seen.push([done, total]),
    }),
  );
  await pause(700);
  controller.abort();
  expect(await call).toBeInstanceOf(AbortError);
  expect(seen.length).toBeGreaterThanOrEqual(2);
  seen.forEach(([done, total], i) => {
    expect(total).toBe(400);
    expect(done).toBeLessThanOrEqual(total);
    expect(done).toBeGreaterThanOrEqual(i === 0 ? 0 : seen[i - 1][0]);
  });
});

it('a worker that ends in the middle of a call takes nothing down with it', async () => {
  const worker = new Worker(new URL('support/endless-worker.mjs', import.meta.url));
  await new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  await pause(50);
  const ended = worker.terminate().then(() => 'ended');
  expect(await Promise.race([ended, pause(3000)])).toBe('ended');
  const { lower } = await verifier.bounds(model, region(), { specification: outputs(), iterations: 3 });
  expect(lower.every(Number.isFinite)).toBe(true);
});

it('a process ends though a call is under way', async () => {
  const path = fileURLToPath(new URL('support/endless-worker.mjs', import.meta.url));
  const child = spawn(process.execPath, [path, 'exit'], { stdio: 'ignore' });
  const ended = new Promise((resolve) => child.once('exit', (code) => resolve(code)));
  const outcome = await Promise.race([ended, pause(5000)]);
  child.kill('SIGKILL');
  expect(outcome).toBe(0);
});
