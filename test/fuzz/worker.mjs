/**
 * Runs the cases `from` to `to` of one target. The number of the case under way stands in the file
 * `progress` and its bytes in the file `case`, so that whoever started this process knows which one it
 * did not survive. The last line is JSON: how often each outcome came, and the case at which it stopped.
 */
import { openSync, writeFileSync, writeSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { BulwarkError } from '../../dist/index.js';
import { Random } from './random.mjs';

const names = ['target', 'seed', 'from', 'to', 'folder', 'megabytes'];
const options = Object.fromEntries(names.map((name) => [name, { type: 'string' }]));
const { target, folder, ...numbers } = parseArgs({ options }).values;
const [seed, from, to, mostMegabytes] = [numbers.seed, numbers.from, numbers.to, numbers.megabytes].map(
  Number,
);

const { open } = await import(`./${target}.mjs`);
const { make, run, close } = await open(folder);
const progress = openSync(`${folder}/progress`, 'w');
const result = { counts: {}, slowest: 0, megabytes: 0 };
for (let number = from; number < to && !result.stopped; number += 1) {
  const bytes = make(new Random(Math.imul(seed, 0x9e3779b1) + number));
  writeFileSync(`${folder}/case`, bytes);
  writeSync(progress, String(number).padStart(12), 0);
  const begin = performance.now();
  let outcome;
  try {
    outcome = await run(bytes);
  } catch (error) {
    outcome = error instanceof BulwarkError ? error.code : 'stopped';
    if (outcome === 'stopped')
      result.stopped = { number, why: `not a typed error: ${error?.stack ?? error}` };
  }
  result.counts[outcome] = (result.counts[outcome] ?? 0) + 1;
  result.slowest = Math.max(result.slowest, (performance.now() - begin) / 1000);
  result.megabytes = Math.round(process.resourceUsage().maxRSS / 1024);
  if (result.megabytes > mostMegabytes) {
    result.stopped ??= { number, why: `took ${result.megabytes} MB (${outcome})` };
  }
}
await close();
console.log(JSON.stringify(result));
