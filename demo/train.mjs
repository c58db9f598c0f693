/**
 * `node demo/train.mjs`: makes the bundled network `demo/digits.onnx` again, about a minute on one core: draws
 * synthetic digits and hands them to `bulwark train --recipe lipschitz`. Further arguments go to the command.
 */
import { spawnSync } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { digitSize, drawDigits, seeds } from './digits.mjs';
import { writeIdx } from './write-idx.mjs';

const count = 20_000;

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = join(root, 'build/demo');
const images = join(folder, 'training-images.idx');
const labels = join(folder, 'training-labels.idx');

await mkdir(folder, { recursive: true });
const drawn = drawDigits(count, seeds.training);
await writeIdx(images, [count, digitSize, digitSize], drawn.images);
await writeIdx(labels, [count], drawn.labels);

const ask = ['train', '--recipe', 'lipschitz', '--data', images, '--labels', labels];
ask.push('--arch', `1x${digitSize}x${digitSize}-c8k4s2p1-c16k4s2p1-64-10`, '--seed', '7');
ask.push('--batch', '100', '--set', 'spectral=0.1', '--set', 'temperature=0.5');
ask.push('--log', join(folder, 'training.csv'), '--checkpoint', join(folder, 'training.checkpoint'));
ask.push('--out', join(root, 'demo/digits.onnx'), '--force', ...process.argv.slice(2));
const { error, status } = spawnSync(process.execPath, [join(root, 'dist/cli/main.js'), ...ask], {
  stdio: 'inherit',
});
if (error) throw error;
process.exitCode = status ?? 1;
