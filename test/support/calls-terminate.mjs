/** Starts and terminates workers during their calls; this thread never loads the addon itself. */
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';

const rounds = Number(process.argv[2]);
const kinds = ['endless', 'quick', 'fresh'];

async function round(i) {
  const workerData = { kind: kinds[i % kinds.length] };
  const worker = new Worker(new URL('calls-worker.mjs', import.meta.url), { workerData });
  await once(worker, 'message');
  await pause((i * 7) % 23);
  await worker.terminate();
}

// Three at a time, so that the ends of some fall into the calls of others.
for (let i = 0; i < rounds; i += 3) await Promise.all([round(i), round(i + 1), round(i + 2)]);
console.log(`terminated ${rounds}`);
