/**
 * `npm run demo`: draws 100 digits that the bundled network has never seen and certifies them with the
 * command line, as a user would. Further arguments go to the command (`npm run demo -- --threads 1`).
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { digitSize, drawDigits, seeds } from './digits.mjs';
import { writeIdx } from './write-idx.mjs';

const count = 100;
/** Large enough that some digits are proven, some are broken and a few stay open. */
const eps = '0.5';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const commandLine = join(root, 'dist/cli/main.js');
const folder = join(root, 'build/demo');
const images = join(folder, 'images.idx');
const labels = join(folder, 'labels.idx');
const records = join(folder, 'records.jsonl');

const fromHere = (path) => relative(process.cwd(), path);

async function drawTestDigits() {
  await mkdir(folder, { recursive: true });
  await rm(records, { force: true });
  const drawn = drawDigits(count, seeds.demo);
  await writeIdx(images, [count, digitSize, digitSize], drawn.images);
  await writeIdx(labels, [count], drawn.labels);
}

function certify() {
  const ask = ['certify', fromHere(join(root, 'demo/digits.onnx'))];
  ask.push('--data', fromHere(images), '--labels', fromHere(labels), '--norm', '2', '--eps', eps);
  ask.push('--clip', '0,1', '--out', fromHere(records), ...process.argv.slice(2));
  console.log(`bulwark ${ask.join(' ')}\n`);
  const { error, signal, status } = spawnSync(process.execPath, [commandLine, ...ask], { stdio: 'inherit' });
  if (error) throw error;
  if (signal) throw new Error(`certify was ended by ${signal}`);
  return status;
}

async function showRecords() {
  const lines = (await readFile(records, 'utf8')).trimEnd().split('\n');
  console.log(
    `\n${lines.length} records, one JSON line per digit, in ${fromHere(records)}; the first three:`,
  );
  for (const line of lines.slice(0, 3)) console.log(line);
}

if (!existsSync(commandLine)) {
  console.error(`${commandLine} is missing: build it first with npm ci (or npm run build)`);
  process.exitCode = 1;
} else {
  await drawTestDigits();
  process.exitCode = certify();
  if (process.exitCode === 0) await showRecords();
}
