/**
 * Kills `bulwark certify` with SIGKILL at random moments and resumes it, until `--kills` (default 50) were
 * made: every finished file must hold the records of an unbroken run, apart from seconds, and no half
 * line. `node scripts/kill.mjs`; exit code 1 where one differs.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Verifier, loadModel } from '../dist/index.js';
import { network } from '../test/fuzz/network.mjs';
import { Random } from '../test/fuzz/random.mjs';

const main = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '50' },
    seed: { type: 'string', default: '1' },
    images: { type: 'string', default: '400' },
  },
});
const wanted = Number(values.kills);
const random = new Random(Number(values.seed));

const images = Number(values.images);
const features = 64;

function npy(descr, shape, view) {
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape.join(', ')},), }\n`;
  const head = Buffer.from(`\x93NUMPY\x01\0..${text}`, 'latin1');
  head.writeUInt16LE(text.length, 8);
  return Buffer.concat([head, new Uint8Array(view.buffer)]);
}

const folder = mkdtempSync(join(tmpdir(), 'bulwark-kill-'));
const file = (name) => join(folder, name);
const onnx = network(random, [features, 80, 60, 5]);
writeFileSync(file('model.onnx'), onnx);
const pixels = Float64Array.from({ length: images * features }, () => random.uniform());
writeFileSync(file('x.npy'), npy('<f8', [images, features], pixels));
const verifier = new Verifier({ threads: 1 });
const vectors = Array.from({ length: images }, (_, i) => pixels.subarray(i * features, (i + 1) * features));
const labels = await verifier.predict(await loadModel(onnx), vectors);
await verifier.close();
// Some are wrong, so that all verdicts come up.
const classes = BigInt64Array.from(labels, (label, i) => BigInt(i % 9 === 4 ? (label + 1) % 5 : label));
writeFileSync(file('y.npy'), npy('<i8', [images], classes));

const common = ['--data', file('x.npy'), '--labels', file('y.npy'), '--norm', '2', '--eps', '0.25'];
common.push('--clip', '0,1', '--threads', '2');

/** Runs the campaign; killed after `milliseconds`, if it still runs then. */
async function campaign(out, extra, milliseconds = Infinity) {
  const certificates = ['--certificates', `${out}.certificates`];
  const args = [main, 'certify', file('model.onnx'), ...common, ...certificates, '--out', out, ...extra];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text));
  const timer = milliseconds < Infinity && setTimeout(() => child.kill('SIGKILL'), milliseconds);
  const [code, signal] = await new Promise((resolve) => child.on('close', (...ending) => resolve(ending)));
  clearTimeout(timer);
  if (signal === null && code !== 0) throw new Error(`certify ended with ${code}: ${stderr}`);
  return signal !== null;
}

const linesOf = (out) => {
  try {
    return readFileSync(out, 'utf8').split('\n');
  } catch {
    return [''];
  }
};
const withoutSeconds = (line) => JSON.stringify({ ...JSON.parse(line), seconds: 0 });

/** The records of a finished run, and its certificates. */
function results(out) {
  const lines = linesOf(out);
  if (lines.pop() !== '') throw new Error(`${out} ends with half a line`);
  const certificates = readdirSync(`${out}.certificates`).sort();
  return [
    ...lines.map(withoutSeconds),
    ...certificates.map((name) => `${name} ${readFileSync(join(`${out}.certificates`, name), 'base64')}`),
  ];
}

try {
  const begin = performance.now();
  await campaign(file('whole'), []);
  const took = performance.now() - begin;
  const expected = results(file('whole'));
  let [kills, runs, halves, afterRecords] = [0, 0, 0, 0];
  while (kills < wanted) {
    const out = file(`run-${runs}`);
    runs += 1;
    let begun = false;
    // A few kills in each run, spread over its start, its work and its end.
    let left = 1 + random.below(6);
    for (;;) {
      const extra = begun ? ['--resume'] : [];
      const limit = left > 0 && kills < wanted ? (0.2 + 0.9 * random.uniform()) * took : Infinity;
      if (!(await campaign(out, extra, limit))) break;
      kills += 1;
      left -= 1;
      const lines = linesOf(out);
      begun ||= readdirSync(folder).some((name) => name.startsWith(`run-${runs - 1}`));
      if (lines.length > 1) afterRecords += 1;
      if (lines.pop() !== '') halves += 1;
      lines.forEach((line, i) => {
        if (withoutSeconds(line) !== expected[i])
          throw new Error(`${out}, line ${i + 1} differs after a kill`);
      });
    }
    const found = results(out);
    const wrong = expected.findIndex((line, i) => line !== found[i]);
    if (wrong >= 0 || found.length !== expected.length) {
      throw new Error(
        `${out} differs from an unbroken run at ${wrong}:\n${expected[wrong]}\n${found[wrong]}`,
      );
    }
  }
  console.log(
    `${kills} kills in ${runs} runs of ${images} images: ${afterRecords} left records, ${halves} half a line; ` +
      `all ${expected.length} records and certificates of every run are those of an unbroken one`,
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
